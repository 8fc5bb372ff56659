"""From a URL or the environment to a backend."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from muster.model.errors import BadConfiguration
from muster.registry.consul.registry import Consul
from muster.registry.memory import Memory
from muster.registry.static import Static
from muster.registry.url import Choice, Parts, open_registry, redact, resolve_url, split_url


@pytest.mark.parametrize(
    ("url", "environ", "choice"),
    [
        (None, {}, Choice("consul://", "default")),
        ("memory://x", {"MUSTER_REGISTRY": "consul://a"}, Choice("memory://x", "registry")),
        (None, {"MUSTER_REGISTRY": "consul://a", "MICRO_REGISTRY": "etcd"}, Choice("consul://a", "MUSTER_REGISTRY")),
        (None, {"MUSTER_REGISTRY": " "}, Choice("consul://", "default")),
        (
            None,
            {"MICRO_REGISTRY": "consul", "MICRO_REGISTRY_ADDRESS": "a:1, b:2"},
            Choice("consul://a:1,b:2", "MICRO_REGISTRY"),
        ),
        (None, {"MICRO_REGISTRY": "consul"}, Choice("consul://", "MICRO_REGISTRY")),
        (None, {"MICRO_REGISTRY_ADDRESS": "a:1"}, Choice("consul://", "default")),
    ],
)
def test_what_decides(url: str | None, environ: dict[str, str], choice: Choice) -> None:
    assert resolve_url(url, environ) == choice


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("consul://", Parts("consul", "", "", ())),
        ("Consul+HTTPS://a:1,[::1]:2", Parts("consul+https", "a:1,[::1]:2", "", ())),
        ("x://h/p%20q?a=1&b=%2F&c=", Parts("x", "h", "/p q", (("a", "1"), ("b", "/"), ("c", "")))),
    ],
)
def test_split(url: str, parts: Parts) -> None:
    assert split_url(url) == parts
    assert parts.base_scheme in ("consul", "x")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8500", "consul:127.0.0.1", "://x", "consul://a?b", "consul://a?b=1&c"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration, match=r"write SCHEME|name=value"):
        split_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("consul://a:1", "consul://a:1"),
        ("consul://user:pass@a:1,b:2/x?dc=y&token=abc", "consul://a:1,b:2/x?dc=y&token=..."),
        ("etcd://a?Password=p@ss/w?rd", "etcd://a?Password=..."),
        ("consul://a?%74oken=abc", "consul://a?%74oken=..."),
        ("nonsense", "nonsense"),
    ],
)
def test_shown_without_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_backends_by_scheme() -> None:
    assert isinstance(open_registry(environ={}), Consul)
    assert isinstance(open_registry("consul+https://a", environ={}), Consul)
    assert isinstance(open_registry("memory://x", environ={}), Memory)
    assert isinstance(open_registry("static://?a=b:1", environ={}), Static)
    assert str(open_registry(environ={"CONSUL_HTTP_ADDR": "10.0.0.1:9"})) == "consul://10.0.0.1:9"


def test_an_unknown_scheme_lists_the_known() -> None:
    with pytest.raises(BadConfiguration) as caught:
        open_registry("zookeeper://u:secret@a:1", environ={})
    assert "unknown registry scheme 'zookeeper'" in str(caught.value)
    assert "known: consul, memory, static" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "meant"), [("http", "consul://HOST:PORT"), ("https", "consul+https://HOST:PORT")])
def test_who_writes_consuls_address_by_http_is_told_the_scheme(scheme: str, meant: str) -> None:
    with pytest.raises(BadConfiguration, match=f"for Consul write {re.escape(meant)}"):
        open_registry(f"{scheme}://127.0.0.1:8500", environ={})


def test_an_unknown_scheme_from_the_environment_says_where_it_came_from() -> None:
    with pytest.raises(BadConfiguration, match=r"from MICRO_REGISTRY.*known"):
        open_registry(environ={"MICRO_REGISTRY": "eureka"})


def test_go_micros_setting_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        open_registry(environ={"MICRO_REGISTRY": "consul", "MICRO_REGISTRY_ADDRESS": "u:secret@a:1"})
        open_registry(environ={"MUSTER_REGISTRY": "memory://x"})
    assert [record.getMessage() for record in caplog.records] == [
        "registry consul://a:1 is taken from Go Micro's MICRO_REGISTRY; MUSTER_REGISTRY overrides it"
    ]


def test_other_peoples_backends_are_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "muster.registry.memory:from_url", "muster.registries")
    monkeypatch.setattr("muster.registry.url.entry_points", EntryPoints([point]).select)
    with pytest.raises(BadConfiguration, match="known: consul, memory, mine, static"):
        open_registry("yours://", environ={})
    assert str(open_registry("mine://x", environ={})) == "memory://x"


def test_a_backend_is_imported_when_it_is_opened() -> None:
    program = """
import sys
from muster.registry.url import open_registry
open_registry("memory://x", environ={})
import muster.registry.consul.wire
assert "aiohttp" not in sys.modules
open_registry("consul://", environ={})
assert "aiohttp" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
