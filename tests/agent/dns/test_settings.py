"""DNS in a configuration file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muster.agent.config import read_settings
from muster.agent.dns import DNS
from muster.agent.dns.settings import Authority
from muster.model.errors import BadConfiguration

EVERYTHING = {
    "ports": {"dns": 8600},
    "domain": "corp.test",
    "recursors": ["127.0.0.53"],
    "dns_config": {
        "node_ttl": "5s",
        "service_ttl": {"*": "1s", "Web": 9},
        "only_passing": True,
        "udp_answer_limit": 4,
        "enable_truncate": True,
        "soa": {"min_ttl": 4},
        "recursor_timeout": "1s",
        "allow_stale": False,
    },
}


def written(folder: Path, content: object) -> list[Path]:
    (folder / "dns.json").write_text(json.dumps(content))
    return [folder]


def test_consuls_keys_are_read(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, EVERYTHING)).dns == DNS(
        "127.0.0.1:8600",
        domain="corp.test",
        node_ttl=5.0,
        service_ttl={"*": 1.0, "web": 9.0},
        only_passing=True,
        udp_answer_limit=4,
        enable_truncate=True,
        soa=Authority(min_ttl=4),
        recursors=("127.0.0.53",),
        recursor_timeout=1.0,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"node_ttl": "5"},
        {"node_ttl": -1},
        {"service_ttl": {"a": "x"}},
        {"no_such_key": 1},
        {"udp_answer_limit": -3},
        {"soa": {"refresh": -1}},
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(BadConfiguration, match="dns_config"):
        read_settings(written(tmp_path, {"ports": {"dns": 1}, "dns_config": wrong}))


@pytest.mark.parametrize("domain", ["", ".", "a..b", "a b", "x" * 64])
def test_a_domain_is_one(tmp_path: Path, domain: str) -> None:
    with pytest.raises(BadConfiguration, match="a domain name is expected"):
        read_settings(written(tmp_path, {"ports": {"dns": 1}, "domain": domain}))


def test_where_it_listens_may_be_said_elsewhere(tmp_path: Path) -> None:
    said = written(tmp_path, {"domain": "corp.test."})
    assert read_settings(said).dns is None
    assert read_settings(said, dns="127.0.0.1:1").dns == DNS("127.0.0.1:1", domain="corp.test.")
    assert read_settings([], dns="127.0.0.1:1").dns == "127.0.0.1:1"
