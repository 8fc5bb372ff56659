// hashicorp/consul/api, as Go services use it: registration, blocking health queries, keys, a lock, a watch plan.
// CONSUL_HTTP_ADDR says where the agent is.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
)

const soon = 20 * time.Second

func main() {
	client, err := api.NewClient(api.DefaultConfig())
	must(err)
	registers(client)
	keepsKeys(client)
	locks(client)
	watches(client)
	must(client.Agent().ServiceDeregister("go-web-1"))
	fmt.Println("fine")
}

func registers(client *api.Client) {
	nobody, meta, err := client.Health().Service("go-web", "", true, nil)
	must(err)
	expect(len(nobody) == 0, "nobody is there")
	must(client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: "go-web-1", Name: "go-web", Port: 80, Address: "127.0.0.1", Tags: []string{"v1"},
		Meta:  map[string]string{"zone": "a"},
		Check: &api.AgentServiceCheck{TTL: "20s", Status: "passing", DeregisterCriticalServiceAfter: "1h"},
	}))
	entries, later, err := client.Health().Service("go-web", "v1", true, &api.QueryOptions{
		WaitIndex: meta.LastIndex, WaitTime: soon, Filter: `Service.Meta.zone == "a"`,
	})
	must(err)
	expect(len(entries) == 1 && entries[0].Service.Port == 80, "one is there")
	expect(later.LastIndex > meta.LastIndex && later.KnownLeader, "the index has moved")
	must(client.Agent().UpdateTTL("service:go-web-1", "slow", api.HealthWarning))
	status, _, err := client.Agent().AgentHealthServiceByID("go-web-1")
	must(err)
	expect(status == api.HealthWarning, "it warns")
	must(client.Agent().UpdateTTL("service:go-web-1", "fine", api.HealthPassing))
	self, err := client.Agent().Self()
	must(err)
	expect(self["Config"]["Version"] != "", "the agent has a version")
	members, err := client.Agent().Members(false)
	must(err)
	expect(len(members) == 1, "one member")
}

func keepsKeys(client *api.Client) {
	kv := client.KV()
	_, err := kv.Put(&api.KVPair{Key: "go/a", Value: []byte("1")}, nil)
	must(err)
	pair, _, err := kv.Get("go/a", nil)
	must(err)
	pair.Value = []byte("2")
	done, _, err := kv.CAS(pair, nil)
	must(err)
	expect(done, "nobody wrote in between")
	done, _, err = kv.CAS(pair, nil)
	must(err)
	expect(!done, "somebody wrote in between")
	ok, response, _, err := client.Txn().Txn(api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "go/b", Value: []byte("3")}},
		{KV: &api.KVTxnOp{Verb: api.KVGet, Key: "go/a"}},
	}, nil)
	must(err)
	expect(ok && string(response.Results[1].KV.Value) == "2", "a transaction writes and reads")
	keys, _, err := kv.Keys("go/", "", nil)
	must(err)
	expect(len(keys) == 2, "two keys")
	_, err = kv.DeleteTree("go/", nil)
	must(err)
}

func locks(client *api.Client) {
	lock, err := client.LockOpts(&api.LockOptions{Key: "go-lock", SessionTTL: "10s", LockDelay: time.Millisecond})
	must(err)
	lost, err := lock.Lock(nil)
	must(err)
	select {
	case <-lost:
		expect(false, "the lock is held")
	default:
	}
	other, err := client.LockOpts(&api.LockOptions{Key: "go-lock", LockTryOnce: true, LockWaitTime: 50 * time.Millisecond})
	must(err)
	held, err := other.Lock(nil)
	must(err)
	expect(held == nil, "nobody else has it")
	must(lock.Unlock())
	_, err = other.Lock(nil)
	must(err)
	must(other.Unlock())
	must(other.Destroy())
}

func watches(client *api.Client) {
	plan, err := watch.Parse(map[string]any{"type": "service", "service": "go-watched"})
	must(err)
	seen := make(chan int, 10)
	plan.Handler = func(_ uint64, result any) { seen <- len(result.([]*api.ServiceEntry)) }
	ended := make(chan error)
	go func() { ended <- plan.RunWithClientAndHclog(client, nil) }()
	expect(next(seen) == 0, "nobody is watched")
	must(client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "go-watched"}))
	expect(next(seen) == 1, "one is watched")
	must(client.Agent().ServiceDeregister("go-watched"))
	expect(next(seen) == 0, "nobody is watched again")
	plan.Stop()
	must(<-ended)
}

func next(seen chan int) int {
	select {
	case count := <-seen:
		return count
	case <-time.After(soon):
		return -1
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "not so:", what)
		os.Exit(1)
	}
}
