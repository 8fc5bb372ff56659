"""What configuration files say, and what is wrong with those that say nothing good."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from muster.agent.config import read_settings
from muster.agent.config.keys import IGNORED, ConfigFile
from muster.agent.settings import Limits, Settings
from muster.model.errors import BadConfiguration

CONSULS_OWN = """
{
  "datacenter": "East-1",
  "node_name": "shelf",
  "node_id": "9C64D8B2-5F3C-4B2E-9B62-0C6C0F0A7F11",
  "node_meta": {"rack": "r7"},
  "bind_addr": "10.0.0.7",
  "client_addr": "0.0.0.0",
  "ports": {"http": 8501, "dns": 8600},
  "addresses": {"dns": "127.0.0.1"},
  "data_dir": "data",
  "log_level": "WARN",
  "limits": {"http_max_conns_per_client": 100, "kv_max_value_size": 1024, "http_head_timeout": "1m30s"},
  "service": {
    "id": "web1",
    "name": "web",
    "tags": ["v2"],
    "port": 80,
    "meta": {"a_Key": "b"},
    "tagged_addresses": {"lan": {"address": "10.0.0.8", "port": 81}},
    "enable_tag_override": true,
    "weights": {"passing": 5, "warning": 1},
    "checks": [
      {"id": "up", "http": "https://localhost/", "tls_skip_verify": true, "interval": "10s", "header": {"X_y": ["z"]}},
      {"ttl": "30s", "deregister_critical_service_after": "90m"}
    ]
  },
  "check": {"id": "disk", "name": "Disk", "ttl": "1m", "status": "passing"}
}
"""


def write(folder: Path, name: str, content: Any) -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_nothing_said_is_what_an_agent_is_anyway() -> None:
    assert read_settings([]) == Settings()


def test_consuls_own_json(tmp_path: Path) -> None:
    read = read_settings([write(tmp_path, "consul.json", CONSULS_OWN)])
    assert (read.http, read.dns, read.address) == ("0.0.0.0:8501", "127.0.0.1:8600", "10.0.0.7")
    assert (read.node, read.datacenter, read.node_meta) == ("shelf", "east-1", {"rack": "r7"})
    assert read.node_id == "9c64d8b2-5f3c-4b2e-9b62-0c6c0f0a7f11"
    assert (read.data_dir, read.log_level) == ("data", "warning")
    assert read.limits == Limits(http_max_conns_per_client=100, kv_max_value_size=1024, http_head_timeout=90.0)
    (web,), (disk,) = read.services, read.checks
    assert (web.id, web.name, web.tags, web.port, web.meta) == ("web1", "web", ["v2"], 80, {"a_Key": "b"})
    assert web.tagged_addresses is not None and web.tagged_addresses["lan"].port == 81
    assert web.enable_tag_override and web.weights is not None and web.weights.passing == 5
    up, beat = web.checks or []
    assert (up.check_id, up.tls_skip_verify, up.interval, up.header) == ("up", True, "10s", {"X_y": ["z"]})
    assert (beat.ttl, beat.deregister_critical_service_after) == ("30s", "90m")
    assert (disk.id, disk.name, disk.ttl, disk.status) == ("disk", "Disk", "1m", "passing")


def test_toml_says_the_same(tmp_path: Path) -> None:
    toml = """
        node_name = "shelf"
        [limits]
        http_idle_timeout = 2.5
        [[services]]
        name = "web"
        port = 80
        [services.check]
        tcp = "127.0.0.1:80"
        interval = "5s"
    """
    read = read_settings([write(tmp_path, "agent.toml", toml)])
    assert (read.node, read.limits.http_idle_timeout) == ("shelf", 2.5)
    assert read.services[0].check is not None and read.services[0].check.tcp == "127.0.0.1:80"


def test_keys_are_known_in_both_spellings(tmp_path: Path) -> None:
    camel = {"Services": [{"ID": "a", "Name": "a", "Check": {"CheckID": "c", "TTL": "1s", "TLSSkipVerify": True}}]}
    (service,) = read_settings([write(tmp_path, "a.json", camel)]).services
    assert service.check is not None and (service.check.check_id, service.check.tls_skip_verify) == ("c", True)


def test_a_folder_stands_for_its_files_and_later_ones_win(tmp_path: Path) -> None:
    write(tmp_path, "10-site.json", {"node_name": "a", "node_meta": {"x": "1", "y": "1"}, "ports": {"http": 1}})
    write(tmp_path, "20-web.json", {"node_name": "b", "node_meta": {"y": "2"}, "service": {"name": "web"}})
    write(tmp_path, "30-db.toml", '[service]\nname = "db"\n')
    write(tmp_path, "notes.txt", "left alone")
    last = write(tmp_path, "40.json", {"ports": {"dns": 2}})
    read = read_settings([tmp_path])
    assert (read.node, read.node_meta) == ("b", {"x": "1", "y": "2"})
    assert (read.http, read.dns) == ("127.0.0.1:1", "127.0.0.1:2")
    assert [service.name for service in read.services] == ["web", "db"]
    assert read_settings([last, tmp_path / "10-site.json"]).node == "a"


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({"bind_addr": "0.0.0.0"}, Settings()),
        ({"bind_addr": "::"}, Settings()),
        ({"bind_addr": "0.0.0.0", "advertise_addr": "10.0.0.1"}, Settings(address="10.0.0.1")),
        ({"client_addr": "::1", "ports": {"dns": 53}}, Settings(http="[::1]:8500", dns="[::1]:53")),
        ({"addresses": {"http": "10.0.0.1"}}, Settings(http="10.0.0.1:8500")),
        ({"ports": {"dns": -1}}, Settings()),
        ({"ports": {"http": "8501"}}, Settings(http="127.0.0.1:8501")),
        ({"log_level": "ERR"}, Settings(log_level="error")),
        ({"node_name": None, "services": None, "limits": {}}, Settings()),
        ("", Settings()),
        ("\ufeff{}", Settings()),
    ],
)
def test_what_it_comes_to(tmp_path: Path, said: Any, settings: Settings) -> None:
    assert read_settings([write(tmp_path, "a.json", said)]) == settings


def test_consuls_keys_that_mean_nothing_here_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = {"retry_join": ["x"], "acl": {"enabled": True}, "ports": {"grpc": 1}, "limits": {"rpc_rate": 1}}
    with caplog.at_level(logging.WARNING, "muster.agent.config"):
        assert read_settings([write(tmp_path, "a.json", said)]) == Settings()
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{tmp_path}/a.json: ignored")
    assert record.getMessage().endswith("retry_join, acl, ports.grpc, limits.rpc_rate")


def test_no_key_is_both_known_and_ignored() -> None:
    assert not IGNORED[ConfigFile] & set(ConfigFile.__struct_fields__)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"nod_name": "x"}, "a.json: unknown key 'nod_name'; did you mean 'node_name'?"),
        ({"zzz": 1}, "a.json: unknown key 'zzz'"),
        ({"limits": {"max_conns": 1}}, "limits: unknown key 'max_conns'; did you mean 'http_max_conns'?"),
        ({"services": [{"name": "a"}, {"nmae": "b"}]}, "services[2]: unknown key 'nmae'; did you mean 'name'?"),
        ({"service": {"name": "a", "check": {"htp": ""}}}, "service.check: unknown key 'htp'; did you mean 'http'?"),
        ({"node_name": 1}, "a.json: node_name: Expected str | null, got int"),
        ({"node_name": ""}, "node_name ''"),
        ({"node_id": "7"}, "node_id '7': badly formed"),
        ({"node_meta": {"a b": "c"}}, "Invalid node_meta: Couldn't load metadata pair ('a b', 'c')"),
        ({"datacenter": "a b"}, "datacenter 'a b': letters, digits"),
        ({"client_addr": "127.0.0.1 ::1"}, "client_addr '127.0.0.1 ::1': write one IP address"),
        ({"bind_addr": '{{ GetInterfaceIP "eth0" }}'}, "bind_addr"),
        ({"ports": {"http": 65536}}, "ports.http: Expected int <= 65535"),
        ({"ports": {"http": -1}}, "without its HTTP port an agent is of no use"),
        ({"data_dir": ""}, "data_dir '': the path of a directory is expected"),
        ({"log_level": "loud"}, "log_level 'loud': trace, debug, info, warn and error are known"),
        ({"limits": {"http_max_conns": 0}}, "limits.http_max_conns: Expected int >= 1"),
        ({"limits": {"http_head_timeout": "soon"}}, "limits.http_head_timeout"),
        ({"limits": {"http_head_timeout": -1}}, "limits.http_head_timeout -1.0: a time above 0"),
        ({"service": {"port": 1}}, "service '': Missing service name"),
        ({"service": "web"}, "service"),
        ({"service": {"name": "a", "port": "x"}}, "Expected int, got str"),
        ({"service": {"name": "a", "check": {"http": "http://a/"}}}, "service 'a': Invalid check: "),
        ({"service": {"name": "a", "check": {"ttl": 10}}}, "ttl 10 has no unit: write a duration, such as '10s'"),
        ({"services": [{"name": "a"}, {"id": "a", "name": "b"}]}, "service 'b': the id 'a' is taken"),
        ({"check": {"name": "a", "ttl": "x"}}, "check 'a': "),
        ({"check": {"name": "a", "ttl": "1s", "service_id": "b"}}, "check 'a': no file defines the service 'b'"),
        ({"checks": [{"name": "a", "ttl": "1s"}] * 2}, "check: the id 'a' is taken"),
        ("[]", "an object with settings is expected, not list"),
        ("{\n 'a': 1}", "a.json:2:2: no JSON: Expecting property name"),
        ("[" * 100_000, "no JSON"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "a.json:1:1: no JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, said: Any, complaint: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        read_settings([write(tmp_path, "a.json", said)])
    assert complaint in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "a.json"))


def test_the_file_that_is_wrong_is_named_among_several(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"node_name": "x"})
    wrong = write(tmp_path, "b.json", {"log_level": "loud"})
    with pytest.raises(BadConfiguration) as raised:
        read_settings([tmp_path])
    assert str(raised.value).startswith(f"{wrong}: log_level")


def test_a_twin_in_another_file_is_named_with_both(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"service": {"name": "web"}})
    write(tmp_path, "b.json", {"service": {"name": "web"}})
    with pytest.raises(BadConfiguration, match=r"b\.json: service 'web': the id 'web' is taken: .*a\.json"):
        read_settings([tmp_path])


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("agent.hcl", b"", "write HCL as JSON"),
        ("agent.conf", b"", "ends in .json or .toml"),
        ("missing.json", None, "there is no such file"),
        ("agent.toml", b"a = = 1", "no TOML: "),
        ("agent.toml", b"\xff", "is not UTF-8"),
        ("agent.toml", b"limits.http_body_timeout = inf", "http_body_timeout inf: a time above 0"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadConfiguration, match=complaint):
        read_settings([tmp_path / name])
