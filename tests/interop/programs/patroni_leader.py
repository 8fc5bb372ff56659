"""Patroni's own Consul backend: two members of a cluster want to lead it. Argument: the agent's host:port."""

from __future__ import annotations

import sys

from patroni.dcs import get_dcs


def member(name: str) -> object:
    consul = {"host": sys.argv[1], "register_service": True}
    told = {"scope": "pg", "name": name, "ttl": 30, "loop_wait": 10, "retry_timeout": 10, "consul": consul}
    found = get_dcs(told)
    found.refresh_session()
    role = "primary" if name == "one" else "replica"
    state = {"conn_url": f"postgres://127.0.0.1:5432/{name}", "api_url": "http://127.0.0.1:8008/patroni"}
    assert found.touch_member({**state, "state": "running", "role": role, "version": "4"})
    return found


one, two = member("one"), member("two")

assert one.initialize(create_new=True, sysid="7")
assert one.attempt_to_acquire_leader()
assert not two.attempt_to_acquire_leader()

cluster = two.get_cluster()
assert cluster.leader.name == "one"
assert sorted(each.name for each in cluster.members) == ["one", "two"]
assert one.update_leader(cluster, 42)
assert two.get_cluster().status.last_lsn == 42
assert two.set_config_value('{"ttl": 30}')

assert one.delete_leader(cluster.leader)
assert two.watch(cluster.leader.version, 10)
assert two.attempt_to_acquire_leader()
assert one.get_cluster().leader.name == "two"
assert one.delete_cluster()
print("fine")
