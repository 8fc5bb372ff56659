"""python-consul or py-consul, whichever is on the path, as services use it. Argument: the agent's host:port."""

from __future__ import annotations

import sys
import threading
import time

import consul

host, _, port = sys.argv[1].rpartition(":")
client = consul.Consul(host=host, port=int(port))


def is_seen_by_who_waits_for_it() -> None:
    index, nobody = client.health.service("web", passing=True)
    assert nobody == []
    seen = []

    def wait() -> None:
        later, entries = index, []
        while not entries:  # Consul also wakes who waits for a name's neighbour
            later, entries = client.health.service("web", index=later, wait="20s")
        seen.extend((later, entries))

    waiting = threading.Thread(target=wait)
    waiting.start()
    check = consul.Check.ttl("20s")
    assert client.agent.service.register(
        "web", service_id="web-1", address="127.0.0.1", port=80, tags=["v1"], check=check
    )
    waiting.join()
    later, (entry,) = seen
    assert int(later) > int(index)
    assert (entry["Service"]["ID"], entry["Service"]["Port"], entry["Service"]["Tags"]) == ("web-1", 80, ["v1"])


def beats() -> None:
    assert client.health.service("web", passing=True)[1] == []
    assert client.agent.check.ttl_pass("service:web-1", "fine")
    assert [check["Output"] for check in client.health.checks("web")[1]] == ["fine"]
    assert len(client.health.service("web", passing=True)[1]) == 1
    assert client.agent.service.maintenance("web-1", "true", "why")
    assert client.health.service("web", passing=True)[1] == []
    assert client.agent.service.maintenance("web-1", "false")


def is_in_the_catalog() -> None:
    assert client.catalog.services()[1]["web"] == ["v1"]
    assert client.catalog.service("web", tag="v1")[1][0]["ServicePort"] == 80
    assert client.catalog.register("far", "10.0.0.1", service={"Service": "db", "ID": "db-1", "Port": 5432})
    assert client.catalog.service("db")[1][0]["Address"] == "10.0.0.1"
    assert client.catalog.deregister("far")
    assert client.agent.self()["Config"]["NodeName"] == client.catalog.nodes()[1][0]["Node"]
    assert client.catalog.datacenters() == ["dc1"]
    assert client.status.peers() == [client.status.leader()]


def keeps_keys() -> None:
    assert client.kv.put("app/a", "1", flags=7)
    index, pair = client.kv.get("app/a")
    assert (pair["Value"], pair["Flags"]) == (b"1", 7)
    assert not client.kv.put("app/a", "2", cas=0)
    assert client.kv.put("app/a", "2", cas=pair["ModifyIndex"])
    later, pair = client.kv.get("app/a", index=index, wait="20s")
    assert (pair["Value"], int(later) > int(index)) == (b"2", True)
    assert client.kv.put("app/b/c", "")
    assert client.kv.get("app/", keys=True, separator="/")[1] == ["app/a", "app/b/"]
    assert [pair["Value"] for pair in client.kv.get("app/", recurse=True)[1]] == [b"2", None]
    assert client.kv.delete("app/", recurse=True)
    assert client.kv.get("app/a")[1] is None


def has_one_leader() -> None:
    first = client.session.create("first", behavior="delete", ttl=10, lock_delay=0)
    second = client.session.create("second", ttl=10, lock_delay=0)
    assert client.kv.put("leader", "first", acquire=first)
    assert not client.kv.put("leader", "second", acquire=second)
    assert client.session.renew(first)["ID"] == first
    index, pair = client.kv.get("leader")
    assert (pair["Session"], pair["Value"]) == (first, b"first")
    assert client.session.destroy(first)
    assert client.kv.get("leader", index=index, wait="20s")[1] is None
    deadline = time.monotonic() + 20
    while not client.kv.put("leader", "second", acquire=second):
        assert time.monotonic() < deadline
    assert client.kv.put("leader", "second", release=second)
    assert client.session.destroy(second)


def tells_of_events() -> None:
    assert client.event.fire("deploy", "v2")["Name"] == "deploy"
    assert client.event.list("deploy")[1][-1]["Payload"] == b"v2"


def leaves() -> None:
    assert client.agent.service.deregister("web-1")
    assert client.agent.services() == {}


for step in (
    is_seen_by_who_waits_for_it,
    beats,
    is_in_the_catalog,
    keeps_keys,
    has_one_leader,
    tells_of_events,
    leaves,
):
    step()
print("fine with", consul.__file__)
