"""What is registered is seen, as it was written."""

from __future__ import annotations

import asyncio

from muster.model.check import GRPCCheck, HTTPCheck, TCPCheck
from muster.model.service import Registration
from muster.model.snapshot import Absent, instances_of
from muster.testing.conformance.subject import (
    SELF,
    Open,
    instance,
    new_name,
    nobody,
    registered,
    somebody,
    watched,
)
from muster.testing.watching import Watching, ids, only, until


async def nobody_is_absent(open_registry: Open) -> None:
    """A name that nobody has is Absent: an answer, and not the lack of one."""
    async with watched(open_registry):
        pass


async def a_registration_is_seen_whole(open_registry: Open) -> None:
    """A watcher is told of a registration, with everything that was written, and passing from the start."""
    async with watched(open_registry) as (registry, name, watch):
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
            assert only(await watch.until(somebody)) == written


async def a_deregistration_is_seen(open_registry: Open) -> None:
    """When the last instance has gone the name is Absent again."""
    async with watched(open_registry) as (registry, name, watch):
        async with registered(registry, instance(name)):
            await watch.until(somebody)
        assert await watch.until(nobody) == Absent(name)


async def another_object_sees_it(open_registry: Open) -> None:
    """Two objects opened alike are the same registry."""
    async with open_registry() as one, open_registry() as other, registered(one, instance(new_name())) as (written,):
        assert only(await until(other, written.service, somebody)) == written


async def every_watcher_is_told(open_registry: Open) -> None:
    """Several watches of one name do not take answers from each other."""
    async with open_registry() as registry:
        written = instance(new_name())
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(until(registry, written.service, somebody)) for _ in range(5)]
            async with registered(registry, written):
                for watcher in watchers:
                    assert only(await watcher) == written


async def instances_come_in_a_stable_order(open_registry: Open) -> None:
    """Instances are sorted by id, whatever the order in which they came, also when they come at once."""
    async with watched(open_registry) as (registry, name, watch):
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
    async with watched(open_registry) as (registry, name, watch):
        mine = instance(name)
        async with registered(registry, instance(f"{name}-2"), instance(f"x-{name}")), registered(registry, mine):
            assert only(await watch.until(somebody)) == mine


async def ipv6_addresses_are_kept(open_registry: Open) -> None:
    """A host may be an IPv6 address; it is written without brackets and has them in `address`."""
    async with (
        open_registry() as registry,
        registered(registry, instance(new_name(), host="2001:db8::7")) as (written,),
    ):
        found = only(await until(registry, written.service, somebody))
        assert (found.host, found.address) == ("2001:db8::7", "[2001:db8::7]:9000")


async def any_text_is_kept(open_registry: Open) -> None:
    """Tags and metadata values may be any text: accents, other scripts, blanks, commas, equals signs, quotes."""
    async with watched(open_registry) as (registry, name, watch):
        texts = ("größe", "名前=値", "a, b", 'say "hello"\\', "e-mail: 📮", "traefik.http.routers.x.rule=Host(`a.b`)")
        written = instance(name, tags=texts, metadata={f"key_{number}": text for number, text in enumerate(texts)})
        async with registered(registry, written):
            assert only(await watch.until(somebody)) == written


async def every_kind_of_check_is_taken(open_registry: Open) -> None:
    """TTL, gRPC, HTTP and TCP checks can be registered, several at a time."""
    checks = (
        SELF,
        GRPCCheck("reach", "127.0.0.1:9", "some-id", interval=600.0),
        HTTPCheck("page", "http://127.0.0.1:9/health", interval=600.0),
        TCPCheck("port", "[::1]:9", interval=600.0),
    )
    async with open_registry() as registry, registered(registry, instance(new_name()), checks=checks) as (written,):
        await until(registry, written.service, somebody)


async def names_are_told(open_registry: Open) -> None:
    """The watch of names tells names with the tags in use as they come and go. A registry may have others too."""
    name = new_name()
    async with open_registry() as registry:
        names = registry.watch_names()
        watch = Watching(names)
        try:
            assert name not in await watch.next()
            async with registered(registry, instance(name, tags=("a", "b")), instance(name, tags=("c",))):
                await watch.until(lambda names: names.get(name) == frozenset("abc"))
            await watch.until(lambda names: name not in names)
        finally:
            await names.aclose()
