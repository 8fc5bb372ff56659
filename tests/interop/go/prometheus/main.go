// Prometheus's own discovery of Consul's services (consul_sd_configs) and its own reader of metrics.
//
//	prometheus SERVER            prints each change of the targets as one line of JSON, until it is ended
//	prometheus SERVER metrics    prints how many families of metrics the server has
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

func main() {
	if len(os.Args) > 2 {
		fmt.Println(len(families(os.Args[1])))
		return
	}
	for groups := range changes(os.Args[1]) {
		targets := []model.LabelSet{}
		for _, group := range groups {
			for _, target := range group.Targets {
				targets = append(targets, target.Merge(group.Labels))
			}
		}
		must(json.NewEncoder(os.Stdout).Encode(targets))
	}
}

func changes(server string) <-chan []*targetgroup.Group {
	config := consul.DefaultSDConfig
	config.Server = server
	config.Services = []string{"shop"}
	config.ServiceTags = []string{"scraped"}
	config.RefreshInterval = model.Duration(100 * time.Millisecond)
	registry := prometheus.NewRegistry()
	metrics := config.NewDiscovererMetrics(registry, discovery.NewRefreshMetrics(registry))
	options := discovery.DiscovererOptions{Logger: promslog.NewNopLogger(), Metrics: metrics}
	discoverer, err := config.NewDiscoverer(options)
	must(err)
	found := make(chan []*targetgroup.Group)
	go discoverer.Run(context.Background(), found)
	return found
}

func families(server string) map[string]*dto.MetricFamily {
	answer, err := http.Get("http://" + server + "/v1/agent/metrics?format=prometheus")
	must(err)
	defer answer.Body.Close()
	var parser expfmt.TextParser
	found, err := parser.TextToMetricFamilies(answer.Body)
	must(err)
	return found
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
