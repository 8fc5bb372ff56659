"""What only a real Consul can show: its indexes, its maintenance mode, its access rules, its restarts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from muster.model.check import CheckState, Health, TCPCheck, TTLCheck
from muster.model.errors import Denied, NotRegistered, RegistryUnavailable
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, instances_of
from muster.registry.consul import from_url
from muster.registry.consul.registry import Consul
from muster.testing.conformance import instance, registered
from muster.testing.servers import ConsulServer
from muster.testing.watching import only, until, watching

pytestmark = pytest.mark.anyio

SELF = TTLCheck("self", 30.0)
ROOT = "4f6b7f0c-1b8e-4f6a-9b1e-2a0f3c5d7e90"


def somebody(answer: Answer) -> bool:
    return bool(instances_of(answer))


def of(server: ConsulServer, token: str = "") -> Consul:
    return from_url(server.url, {"CONSUL_HTTP_TOKEN": token})


async def test_registering_again_moves_no_index_and_ends_no_maintenance(own_consul: ConsulServer) -> None:
    def index() -> int:
        return max(int(each["ModifyIndex"]) for each in own_consul.ask("/v1/health/state/any"))

    registration = Registration(instance("greeter", tags=("a",)), (SELF, TCPCheck("reach", own_consul.address)))
    async with of(own_consul) as registry:
        await registry.register(registration)
        await until(registry, "greeter", somebody)
        before = index()
        await registry.register(registration)
        assert index() == before
        own_consul.ask(f"/v1/agent/service/maintenance/{registration.instance.id}?enable=true", method="PUT")
        await until(registry, "greeter", lambda answer: only(answer).health is Health.CRITICAL)
        await registry.register(Registration(instance=registration.instance, checks=(SELF,)))
        found = only(await until(registry, "greeter", somebody))
        assert [each.name for each in found.failing] == [f"_service_maintenance:{registration.instance.id}"]


async def test_what_others_registered_is_read(own_consul: ConsulServer) -> None:
    body = {"Name": "legacy", "Port": 80, "Meta": {"protocol": "tcp"}, "Check": {"TTL": "30s", "Status": "warning"}}
    own_consul.ask("/v1/agent/service/register", method="PUT", body=body)
    node = own_consul.ask("/v1/agent/self")["Config"]["NodeName"]
    async with of(own_consul) as registry:
        found = only(await until(registry, "legacy", somebody))
        assert found == Instance(
            f"legacy@{node}",
            "legacy",
            "127.0.0.1",
            80,
            metadata={"protocol": "tcp"},
            health=Health.WARNING,
            failing=(CheckState("service:legacy", Health.WARNING),),
        )


async def test_an_address_left_to_the_node(own_consul: ConsulServer) -> None:
    async with of(own_consul) as registry, registered(registry, instance("greeter", host="")):
        assert only(await until(registry, "greeter", somebody)).host == "127.0.0.1"


async def test_a_failing_node_is_seen(own_consul: ConsulServer) -> None:
    async with (
        of(own_consul) as registry,
        registered(registry, instance("greeter")),
        watching(registry, "greeter") as watch,
    ):
        await watch.until(somebody)
        own_consul.ask("/v1/agent/maintenance?enable=true", method="PUT")
        found = only(await watch.until(lambda answer: only(answer).health is Health.CRITICAL))
        assert [each.name for each in found.failing] == ["_node_maintenance"]


async def test_a_restart_is_told_and_survived(own_consul: ConsulServer) -> None:
    written = Registration(instance("greeter"), (SELF,))
    async with of(own_consul) as registry:
        await registry.register(written)
        async with watching(registry, "greeter") as watch:
            await watch.until(somebody)
            own_consul.kill()
            with pytest.raises(RegistryUnavailable):
                await watch.next()
        for write in (
            registry.register(written),
            registry.beat(written.instance.id, CheckState("self", Health.PASSING)),
        ):
            with pytest.raises(RegistryUnavailable):
                await write
        own_consul.start()
        assert await until(registry, "greeter", lambda answer: True) == Absent("greeter")
        with pytest.raises(NotRegistered):
            await registry.beat(written.instance.id, CheckState("self", Health.PASSING))
        await registry.register(written)
        assert only(await until(registry, "greeter", somebody)) == written.instance


async def test_an_unknown_datacenter_is_unavailable(consul_server: str) -> None:
    async with from_url(f"{consul_server}?dc=atlantis", {}) as registry:
        with pytest.raises(RegistryUnavailable, match="No path to datacenter"):
            await until(registry, "greeter", somebody)


async def test_a_name_of_any_kind_can_be_asked_for(consul_server: str) -> None:
    async with from_url(consul_server, {}) as registry:
        for name in ("a b", "a/b", "ü", "a%2Fb", "a?b=c#d", "x" * 500):
            assert await until(registry, name, lambda answer: True) == Absent(name)


# Access rules


@pytest.fixture(scope="module")
def guarded(consul_binary: str) -> Iterator[ConsulServer]:
    """A Consul that denies by default, with one instance of `greeter`."""
    rules = f'acl {{ enabled = true default_policy = "deny" tokens {{ master = "{ROOT}" agent = "{ROOT}" }} }}'
    with ConsulServer(consul_binary, "-hcl", rules) as server:
        body = {"Name": "greeter", "ID": "g-1", "Port": 9000, "Check": {"CheckID": "g-1:self", "TTL": "60s"}}
        server.ask("/v1/agent/service/register", method="PUT", body=body, token=ROOT)
        yield server


def token_for(guarded: ConsulServer, rules: str) -> str:
    """A new token with these rules."""
    name = f"p{secrets.token_hex(8)}"
    guarded.ask("/v1/acl/policy", method="PUT", body={"Name": name, "Rules": rules}, token=ROOT)
    made = guarded.ask("/v1/acl/token", method="PUT", body={"Policies": [{"Name": name}]}, token=ROOT)
    return str(made["SecretID"])


READ = 'service "greeter" { policy = "read" }'
WRITE = 'service "greeter" { policy = "write" }'
NODES = 'node_prefix "" { policy = "read" }'


@pytest.mark.parametrize(
    ("rules", "missing"),
    [("", f"{READ} and {NODES}"), (NODES, f"{READ} and {NODES}"), (READ, NODES), (f"{READ} {NODES}", "")],
)
async def test_reading_needs_rules(guarded: ConsulServer, rules: str, missing: str) -> None:
    """This Consul gives an empty list to whoever may not read: the rule that is missing must be named all the same."""
    async with of(guarded, token_for(guarded, rules)) as registry:
        if not missing:
            assert only(await until(registry, "greeter", lambda answer: True)).id == "g-1"
            return
        with pytest.raises(Denied) as caught:
            await until(registry, "greeter", somebody)
        assert caught.value.rule == missing


async def test_nobody_is_absent_for_whoever_may_read(guarded: ConsulServer) -> None:
    async with of(guarded, token_for(guarded, f'service_prefix "" {{ policy = "read" }} {NODES}')) as registry:
        assert await until(registry, "nobody", lambda answer: True) == Absent("nobody")


async def test_names_need_rules(guarded: ConsulServer) -> None:
    async with of(guarded, token_for(guarded, "")) as registry, aclosing(registry.watch_names()) as names:
        with pytest.raises(Denied) as caught:
            await anext(names)
        assert caught.value.rule == 'service_prefix "" { policy = "read" }'
    async with of(guarded, token_for(guarded, READ)) as registry, aclosing(registry.watch_names()) as names:
        assert await anext(names) == {"greeter": frozenset()}


async def test_writing_needs_rules(guarded: ConsulServer) -> None:
    registration = Registration(Instance("g-2", "greeter", "127.0.0.1", 9001), (SELF,))
    async with of(guarded, token_for(guarded, READ)) as registry:
        for write in (
            registry.register(registration),
            registry.beat("g-1", CheckState("self", Health.PASSING)),
            registry.deregister("g-1"),
        ):
            with pytest.raises(Denied) as caught:
                await write
            assert caught.value.rule == WRITE
    async with of(guarded, token_for(guarded, WRITE)) as registry:
        await registry.register(registration)
        await registry.register(registration)
        await registry.beat("g-2", CheckState("self", Health.PASSING))
        await registry.deregister("g-2")
        await registry.deregister("g-2")
        with pytest.raises(NotRegistered):
            await registry.beat("g-2", CheckState("self", Health.PASSING))


async def test_a_token_that_is_not_known(guarded: ConsulServer) -> None:
    async with of(guarded, "00000000-1111-2222-3333-444444444444") as registry:
        with pytest.raises(Denied, match="does not know the token") as caught:
            await until(registry, "greeter", somebody)
        assert "0000-1111" not in str(caught.value)
        with pytest.raises(Denied, match="does not know the token"):
            await registry.register(Registration(Instance("g-3", "greeter", "127.0.0.1", 9001)))
