"""What a registry URL and the environment mean together: tables, no I/O."""

from __future__ import annotations

import pytest

from muster.model.errors import BadConfiguration
from muster.registry.consul.config import TLS, Address, Reading, configure


@pytest.mark.parametrize(
    ("url", "environ", "addresses"),
    [
        ("consul://", {}, ["127.0.0.1:8500"]),
        ("consul://10.0.0.1", {}, ["10.0.0.1:8500"]),
        ("consul://10.0.0.1:9500/", {}, ["10.0.0.1:9500"]),
        ("consul://a:8500,b,[::1]:8502,[fd00::1]", {}, ["a:8500", "b:8500", "[::1]:8502", "[fd00::1]:8500"]),
        ("consul://a,a:8500", {}, ["a:8500"]),
        ("consul+https://a", {}, ["a:8501"]),
        ("consul://a?tls=1", {}, ["a:8501"]),
        ("consul://user:secret@a:8500", {}, ["a:8500"]),
        ("consul+unix:///run/consul.sock", {}, ["unix:///run/consul.sock"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "10.0.0.2:9500"}, ["10.0.0.2:9500"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "http://10.0.0.2:9500"}, ["10.0.0.2:9500"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "https://consul.internal"}, ["consul.internal:8501"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "unix:///run/c.sock"}, ["unix:///run/c.sock"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "  "}, ["127.0.0.1:8500"]),
        ("consul://here:1", {"CONSUL_HTTP_ADDR": "there:2"}, ["here:1"]),
    ],
)
def test_addresses(url: str, environ: dict[str, str], addresses: list[str]) -> None:
    assert list(map(str, configure(url, environ).addresses)) == addresses


@pytest.mark.parametrize(
    ("url", "environ", "tls"),
    [
        ("consul://a", {}, None),
        ("consul+https://a", {}, TLS()),
        ("consul://a?tls=true", {}, TLS()),
        ("consul+https://a?tls=0", {}, None),
        ("consul://", {"CONSUL_HTTP_SSL": "true"}, TLS()),
        ("consul://?tls=0", {"CONSUL_HTTP_SSL": "true"}, None),
        ("consul://", {"CONSUL_HTTP_ADDR": "https://a"}, TLS()),
        ("consul+https://a", {"CONSUL_HTTP_SSL_VERIFY": "false"}, TLS(verify=False)),
        (
            "consul+https://a",
            {
                "CONSUL_CACERT": "/ca.pem",
                "CONSUL_CAPATH": "/cas",
                "CONSUL_CLIENT_CERT": "/c.pem",
                "CONSUL_CLIENT_KEY": "/k.pem",
                "CONSUL_TLS_SERVER_NAME": "server.dc1.consul",
            },
            TLS("/ca.pem", "/cas", "/c.pem", "/k.pem", "server.dc1.consul"),
        ),
        ("consul+https://a?ca_file=/mine.pem", {"CONSUL_CACERT": "/ca.pem"}, TLS("/mine.pem")),
        ("consul+https://a?cert_file=/c&key_file=/k&server_name=s&verify=0", {}, TLS("", "", "/c", "/k", "s", False)),
    ],
)
def test_tls(url: str, environ: dict[str, str], tls: TLS | None) -> None:
    assert configure(url, environ).tls == tls


@pytest.mark.parametrize(
    ("url", "environ", "token", "file"),
    [
        ("consul://", {}, "", ""),
        ("consul://", {"CONSUL_HTTP_TOKEN": "abc"}, "abc", ""),
        ("consul://", {"CONSUL_TOKEN": "abc"}, "abc", ""),
        ("consul://", {"CONSUL_HTTP_TOKEN": "abc", "CONSUL_TOKEN": "old"}, "abc", ""),
        ("consul://", {"CONSUL_HTTP_TOKEN": "abc", "CONSUL_HTTP_TOKEN_FILE": "/t"}, "abc", "/t"),
        ("consul://?token_file=/mine", {"CONSUL_HTTP_TOKEN_FILE": "/t"}, "", "/mine"),
        ("consul://?token=mine", {"CONSUL_HTTP_TOKEN": "abc", "CONSUL_HTTP_TOKEN_FILE": "/t"}, "mine", ""),
    ],
)
def test_tokens(url: str, environ: dict[str, str], token: str, file: str) -> None:
    config = configure(url, environ)
    assert (config.token, config.token_file) == (token, file)


def test_the_rest() -> None:
    environ = {"CONSUL_NAMESPACE": "team", "CONSUL_HTTP_AUTH": "user:pass"}
    config = configure("consul://?dc=east&stale=0&max_stale=500ms&wait=30&timeout=1.5s", environ)
    assert (config.datacenters, config.namespace, config.auth) == (("east",), "team", "user:pass")
    assert config.reading == Reading(stale=False, max_stale=0.5, wait=30.0, timeout=1.5)
    assert configure("consul://?ns=mine", environ).namespace == "mine"
    assert configure("consul://u%40x:p%3Aq@a", environ).auth == "u@x:p:q"


@pytest.mark.parametrize(
    ("url", "environ", "text"),
    [
        ("consul://a:port", {}, "'port' is not a port"),
        ("consul://a:70000", {}, "'70000' is not a port"),
        ("consul://a:0", {}, "a port above 0"),
        ("consul://::1", {}, "needs brackets"),
        ("consul://a b", {}, "needs a host"),
        ("consul://a/path", {}, "'/path'"),
        ("consul://a?token_fil=x", {}, "unknown option 'token_fil'; known: ca_file"),
        ("consul://a?dc=x&dc=y", {}, "there twice"),
        ("consul://a?dc", {}, "name=value"),
        ("consul://a?wait=-1s", {}, "option 'wait': '-1s'"),
        ("consul://a?wait=11m", {}, "at most 600s"),
        ("consul://a?wait=soon", {}, "invalid duration"),
        ("consul://a?queries=0", {}, "option 'queries': '0': expected a number from 1 to 10000"),
        ("consul://a?queries=many", {}, "expected a number from 1"),
        ("consul://a?poll=0", {}, "must be above 0"),
        ("consul://a?stale=maybe", {}, "expected true or false"),
        ("consul+ftp://a", {}, "unknown scheme 'consul+ftp'"),
        ("consul+unix://run/consul.sock", {}, "whole path"),
        ("consul+https://a?cert_file=/c", {}, "both files"),
        ("consul://", {"CONSUL_HTTP_ADDR": "ftp://a"}, "CONSUL_HTTP_ADDR: 'ftp://a': unknown scheme"),
        ("consul://", {"CONSUL_HTTP_ADDR": "a:x"}, "CONSUL_HTTP_ADDR: 'a:x'"),
        ("consul://", {"CONSUL_HTTP_SSL": "yes"}, "CONSUL_HTTP_SSL: 'yes'"),
    ],
)
def test_what_cannot_be_used_is_named(url: str, environ: dict[str, str], text: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        configure(url, environ)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("consul://", "consul://127.0.0.1:8500"),
        ("consul://u:secret@a:1,b:2?dc=x&ns=y&stale=0&token=secret", "consul://a:1,b:2?dc=x&ns=y&stale=0"),
        ("consul://a?dc=x,%20y,,x", "consul://a:8500?dc=x,y"),
        ("consul+https://a?token_file=/secret", "consul+https://a:8501"),
        ("consul+unix:///run/c.sock", "consul+unix:///run/c.sock"),
    ],
)
def test_shown_without_secrets(url: str, shown: str) -> None:
    assert str(configure(url, {})) == shown


def test_errors_show_no_secrets() -> None:
    for url in ("consul://u:secret@a?token=secret&x=1", "consul://u:secret@a?token=secret&wait=x"):
        with pytest.raises(BadConfiguration) as caught:
            configure(url, {})
        assert "secret" not in str(caught.value)


def test_local_addresses() -> None:
    assert Address("127.0.0.1", 8500).local
    assert Address("localhost", 0, "/run/c.sock").local
    assert not Address("10.0.0.1", 8500).local


def test_how_many_names_block() -> None:
    reading = configure("consul://a?queries=20&poll=5s", {}).reading
    assert (reading.queries, reading.poll) == (20, 5.0)
    assert configure("consul://a", {}).reading.queries == 64
