"""The rules that every registry keeps, one function a rule: for muster's backends, and for yours.

    from muster.testing.conformance import RULES

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    async def test_conformance(rule):
        await rule(lambda: MyRegistry(...))     # each call opens the same registry anew

A rule raises AssertionError where it is broken. It uses names of its own and removes what it registered, so that it
may run against a registry that others use. The longest takes two seconds, since time to live is real.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from muster.model.check import Check, CheckState, GRPCCheck, Health, HTTPCheck, TCPCheck, TTLCheck
from muster.model.errors import NotRegistered, Rejected
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, Known, instances_of
from muster.registry.protocol import Discovery, Registrar, Registry
from muster.testing.watching import DEADLINE, Watching, ids, only, until, watching


class ReadWrite(Registry, Registrar, Discovery, Protocol):
    """A registry that can be read and written, which is what the rules are for."""


Open = Callable[[], ReadWrite]
Rule = Callable[[Open], Awaitable[None]]

SELF = TTLCheck("self", 30.0)


def instance(name: str, **fields: Any) -> Instance:
    """An instance of `name` with a new id."""
    return replace(Instance(f"{name}-{secrets.token_hex(4)}", name, "127.0.0.1", 9000), verifiable=True, **fields)


@asynccontextmanager
async def registered(
    registry: Registrar, *instances: Instance, checks: tuple[Check, ...] = (SELF,)
) -> AsyncIterator[tuple[Instance, ...]]:
    """The instances, registered; they are deregistered on leaving."""
    try:
        for each in instances:
            await registry.register(Registration(each, checks))
        yield instances
    finally:
        for each in instances:
            await registry.deregister(each.id)


@asynccontextmanager
async def _watched(open_registry: Open) -> AsyncIterator[tuple[ReadWrite, str, Watching[Answer]]]:
    """A registry, a name that nobody has, and a watch of it that has said so."""
    name = _name()
    async with open_registry() as registry, watching(registry, name) as watch:
        assert await watch.next() == Absent(name)
        yield registry, name, watch


# What is registered is seen, as it was written


async def nobody_is_absent(open_registry: Open) -> None:
    """A name that nobody has is Absent: an answer, and not the lack of one."""
    async with _watched(open_registry):
        pass


async def a_registration_is_seen_whole(open_registry: Open) -> None:
    """A watcher is told of a registration, with everything that was written, and passing from the start."""
    async with _watched(open_registry) as (registry, name, watch):
        written = instance(
            name,
            protocol="grpc",
            version="1.2.0",
            tags=("canary", "blue"),
            metadata={"team": "a", "empty": ""},
            weight=7,
            zone="east-1",
            endpoints="0123abcd",
        )
        async with registered(registry, written):
            assert only(await watch.until(_somebody)) == written


async def a_deregistration_is_seen(open_registry: Open) -> None:
    """When the last instance has gone the name is Absent again."""
    async with _watched(open_registry) as (registry, name, watch):
        async with registered(registry, instance(name)):
            await watch.until(_somebody)
        assert await watch.until(_nobody) == Absent(name)


async def another_object_sees_it(open_registry: Open) -> None:
    """Two objects opened alike are the same registry."""
    async with open_registry() as one, open_registry() as other, registered(one, instance(_name())) as (written,):
        assert only(await until(other, written.service, _somebody)) == written


async def every_watcher_is_told(open_registry: Open) -> None:
    """Several watches of one name do not take answers from each other."""
    async with open_registry() as registry:
        written = instance(_name())
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(until(registry, written.service, _somebody)) for _ in range(5)]
            async with registered(registry, written):
                for watcher in watchers:
                    assert only(await watcher) == written


async def instances_come_in_a_stable_order(open_registry: Open) -> None:
    """Instances are sorted by id, whatever the order in which they came, also when they come at once."""
    async with _watched(open_registry) as (registry, name, watch):
        written = [instance(name, port=9000 + number) for number in range(12)]
        async with asyncio.TaskGroup() as group:
            for each in written:
                group.create_task(registry.register(Registration(each, (SELF,))))
        try:
            found = await watch.until(lambda answer: len(instances_of(answer)) == len(written))
            assert ids(found) == sorted(each.id for each in written)
        finally:
            for each in written:
                await registry.deregister(each.id)


async def neighbours_do_not_matter(open_registry: Open) -> None:
    """Another name's instances are never in the answer, also where one name starts like the other."""
    async with _watched(open_registry) as (registry, name, watch):
        mine = instance(name)
        async with registered(registry, instance(f"{name}-2"), instance(f"x-{name}")), registered(registry, mine):
            assert only(await watch.until(_somebody)) == mine


async def ipv6_addresses_are_kept(open_registry: Open) -> None:
    """A host may be an IPv6 address; it is written without brackets and has them in `address`."""
    async with open_registry() as registry, registered(registry, instance(_name(), host="2001:db8::7")) as (written,):
        found = only(await until(registry, written.service, _somebody))
        assert (found.host, found.address) == ("2001:db8::7", "[2001:db8::7]:9000")


async def any_text_is_kept(open_registry: Open) -> None:
    """Tags and metadata values may be any text: accents, other scripts, blanks, commas, equals signs, quotes."""
    async with _watched(open_registry) as (registry, name, watch):
        texts = ("größe", "名前=値", "a, b", 'say "hello"\\', "e-mail: 📮", "traefik.http.routers.x.rule=Host(`a.b`)")
        written = instance(name, tags=texts, metadata={f"key_{number}": text for number, text in enumerate(texts)})
        async with registered(registry, written):
            assert only(await watch.until(_somebody)) == written


async def every_kind_of_check_is_taken(open_registry: Open) -> None:
    """TTL, gRPC, HTTP and TCP checks can be registered, several at a time."""
    checks = (
        SELF,
        GRPCCheck("reach", "127.0.0.1:9", "some-id", interval=600.0),
        HTTPCheck("page", "http://127.0.0.1:9/health", interval=600.0),
        TCPCheck("port", "[::1]:9", interval=600.0),
    )
    async with open_registry() as registry, registered(registry, instance(_name()), checks=checks) as (written,):
        await until(registry, written.service, _somebody)


async def names_are_told(open_registry: Open) -> None:
    """The watch of names tells names with the tags in use as they come and go. A registry may have others too."""
    name = _name()
    async with open_registry() as registry:
        names = registry.watch_names()
        watch = Watching(names, DEADLINE)
        try:
            assert name not in await watch.next()
            async with registered(registry, instance(name, tags=("a", "b")), instance(name, tags=("c",))):
                await watch.until(lambda names: names.get(name) == frozenset("abc"))
            await watch.until(lambda names: name not in names)
        finally:
            await names.aclose()


# Health


async def reported_health_is_seen(open_registry: Open) -> None:
    """Whatever an instance reports, it stays Known, with its health and with what the check found."""
    async with _watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written):
            for health, output in ((Health.WARNING, "disk nearly full"), (Health.CRITICAL, "disk full")):
                state = CheckState("self", health, output)
                await registry.beat(written.id, state)
                found = only(await watch.until(_health(health)))
                assert found.failing == (state,)
                assert found.weight >= 1
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            assert only(await watch.until(_health(Health.PASSING))) == written


async def the_worst_check_counts(open_registry: Open) -> None:
    """Of several checks the worst decides; those that pass are not among the failing."""
    async with _watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written, checks=(SELF, TTLCheck("disk", 30.0))):
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            await registry.beat(written.id, CheckState("disk", Health.CRITICAL, "full"))
            found = only(await watch.until(_health(Health.CRITICAL)))
            assert found.failing == (CheckState("disk", Health.CRITICAL, "full"),)


async def silence_becomes_critical(open_registry: Open) -> None:
    """Without a beat within its time to live an instance is critical; the next beat brings it back."""
    async with _watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written, checks=(TTLCheck("self", 0.2),)):
            await watch.until(_health(Health.PASSING))
            await watch.until(_health(Health.CRITICAL))
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            await watch.until(_health(Health.PASSING))


async def beats_keep_it_passing(open_registry: Open) -> None:
    """Beats within the time to live keep an instance passing for longer than that."""
    async with (
        open_registry() as registry,
        registered(registry, instance(_name()), checks=(TTLCheck("self", 1.2),)) as (written,),
        asyncio.TaskGroup() as group,
    ):
        critical = group.create_task(until(registry, written.service, _health(Health.CRITICAL)))
        for _ in range(6):
            await asyncio.wait([critical], timeout=0.3)
            assert not critical.done(), "it became critical between two beats"
            await registry.beat(written.id, CheckState("self", Health.PASSING))
        critical.cancel()


# Registering again


async def registering_again_changes_nothing(open_registry: Open) -> None:
    """The same registration once more tells watchers nothing new."""
    async with _watched(open_registry) as (registry, name, watch):
        first, second = sorted((instance(name), instance(name)), key=lambda each: each.id)
        async with registered(registry, first):
            await watch.until(_somebody)
            await registry.register(Registration(first, (SELF,)))
            async with registered(registry, second):
                await watch.until(lambda answer: len(instances_of(answer)) == 2)
        assert watch.seen == [Absent(name), Known(name, (first,)), Known(name, (first, second))]


async def registering_again_replaces(open_registry: Open) -> None:
    """A registration of a known id holds from then on, and nothing of the former: address, tags, metadata, checks."""
    async with _watched(open_registry) as (registry, name, watch):
        former = instance(name, tags=("old",), metadata={"old": "1"}, version="1", weight=2)
        latter = replace(former, tags=("new",), metadata={"new": "1"}, version="2", weight=3, port=9001)
        async with registered(registry, former, checks=(SELF, TTLCheck("extra", 30.0))):
            await registry.beat(former.id, CheckState("extra", Health.CRITICAL, "gone with the check"))
            await watch.until(_health(Health.CRITICAL))
            await registry.register(Registration(latter, (SELF,)))
            await watch.until(lambda answer: instances_of(answer) == (latter,))


async def registering_again_revives(open_registry: Open) -> None:
    """An instance that fell silent passes again once it has registered again."""
    async with _watched(open_registry) as (registry, name, watch):
        written, check = instance(name), TTLCheck("self", 0.3)
        async with registered(registry, written, checks=(check,)):
            await watch.until(_health(Health.CRITICAL))
            await registry.register(Registration(written, (check,)))
            await watch.until(_health(Health.PASSING))


# Watching


async def a_slow_reader_sees_the_newest(open_registry: Open) -> None:
    """Who reads late is told what holds now, and not one by one what he missed."""
    async with _watched(open_registry) as (registry, name, watch):
        written = instance(name)
        async with registered(registry, written):
            for number in range(1, 11):
                await registry.register(Registration(replace(written, weight=number), (SELF,)))
            await until(registry, name, lambda answer: only(answer).weight == 10 if _somebody(answer) else False)
            assert only(await watch.next()).weight == 10


async def a_watch_can_be_cancelled(open_registry: Open) -> None:
    """Cancelling whoever waits for an answer ends the watch at once; the registry and other watches go on."""
    async with _watched(open_registry) as (registry, name, watch):
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            waiting = group.create_task(until(registry, name, _somebody))
            await asyncio.wait([waiting], timeout=0.05)
            waiting.cancel()
        assert waiting.cancelled()
        async with registered(registry, instance(name)):
            await watch.until(_somebody)


async def a_watch_can_be_closed(open_registry: Open) -> None:
    """Closing a watch is fine before its first answer, after it, and twice."""
    async with open_registry() as registry:
        never_asked, asked = registry.watch(_name()), registry.watch(_name())
        await never_asked.aclose()
        await anext(asked)
        await asked.aclose()
        await asked.aclose()


# What is refused, and what is not


async def an_id_belongs_to_one_service(open_registry: Open) -> None:
    """An id that another service's instance holds is Rejected, and that instance stays as it is."""
    async with _watched(open_registry) as (registry, name, watch):
        holder = instance(name)
        async with registered(registry, holder):
            await _is_rejected(registry, Registration(replace(holder, service=_name()), (SELF,)))
            assert only(await watch.until(_somebody)) == holder


async def deregistering_the_unknown_is_fine(open_registry: Open) -> None:
    """An id that nobody holds, and one that was deregistered already: the goal is reached."""
    async with open_registry() as registry:
        written = instance(_name())
        await registry.deregister(written.id)
        async with registered(registry, written):
            await registry.deregister(written.id)


async def beating_the_unknown_is_told(open_registry: Open) -> None:
    """A beat for an unknown instance, an unknown check, a check that is not TTL or a deregistered instance."""
    async with open_registry() as registry:
        written = instance(_name())
        await _is_not_registered(registry, written.id, "self")
        async with registered(registry, written, checks=(SELF, TCPCheck("port", "127.0.0.1:9", interval=600.0))):
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            await _is_not_registered(registry, written.id, "nonsense")
            await _is_not_registered(registry, written.id, "port")
        await _is_not_registered(registry, written.id, "self")


async def what_cannot_be_registered_is_rejected(open_registry: Open) -> None:
    """Names, ids, ports, weights, addresses, metadata and checks that make no sense or find no room."""
    good = instance(_name())
    wrong = [
        replace(good, service=""),
        replace(good, service="no blanks"),
        replace(good, service="../etc"),
        replace(good, service="x" * 129),
        replace(good, id=""),
        replace(good, id="a/b"),
        replace(good, port=0),
        replace(good, port=65536),
        replace(good, host="0.0.0.0"),
        replace(good, weight=0),
        replace(good, metadata={f"key{number}": "" for number in range(65)}),
        replace(good, metadata={"key": "x" * 513}),
        replace(good, metadata={"no blanks": ""}),
    ]
    async with open_registry() as registry:
        for each in wrong:
            await _is_rejected(registry, Registration(each, (SELF,)))
        await _is_rejected(registry, Registration(good, (SELF, SELF)))
        assert isinstance(await until(registry, good.service, lambda answer: True), Absent)


async def watching_no_name_is_rejected(open_registry: Open) -> None:
    """The empty name is no name."""
    async with open_registry() as registry:
        try:
            await anext(registry.watch(""))
        except Rejected:
            return
        raise AssertionError("the empty name was watched")


RULES: tuple[Rule, ...] = (
    nobody_is_absent,
    a_registration_is_seen_whole,
    a_deregistration_is_seen,
    another_object_sees_it,
    every_watcher_is_told,
    instances_come_in_a_stable_order,
    neighbours_do_not_matter,
    ipv6_addresses_are_kept,
    any_text_is_kept,
    every_kind_of_check_is_taken,
    names_are_told,
    reported_health_is_seen,
    the_worst_check_counts,
    silence_becomes_critical,
    beats_keep_it_passing,
    registering_again_changes_nothing,
    registering_again_replaces,
    registering_again_revives,
    a_slow_reader_sees_the_newest,
    a_watch_can_be_cancelled,
    a_watch_can_be_closed,
    an_id_belongs_to_one_service,
    deregistering_the_unknown_is_fine,
    beating_the_unknown_is_told,
    what_cannot_be_registered_is_rejected,
    watching_no_name_is_rejected,
)


def _name() -> str:
    return f"conformance-{secrets.token_hex(4)}"


def _somebody(answer: Answer) -> bool:
    return bool(instances_of(answer))


def _nobody(answer: Answer) -> bool:
    return not instances_of(answer)


def _health(health: Health) -> Callable[[Answer], bool]:
    return lambda answer: [each.health for each in instances_of(answer)] == [health]


async def _is_rejected(registry: ReadWrite, registration: Registration) -> None:
    try:
        await registry.register(registration)
    except Rejected:
        return
    await registry.deregister(registration.instance.id)
    raise AssertionError(f"it was registered: {registration}")


async def _is_not_registered(registry: ReadWrite, instance_id: str, check: str) -> None:
    try:
        await registry.beat(instance_id, CheckState(check, Health.PASSING))
    except NotRegistered:
        return
    raise AssertionError(f"check {check!r} of {instance_id!r} could be beaten")
