"""What is refused, and what is not."""

from __future__ import annotations

from dataclasses import replace

from muster.model.check import CheckState, Health, TCPCheck
from muster.model.errors import NotRegistered, Rejected
from muster.model.service import Registration
from muster.model.snapshot import Absent
from muster.testing.conformance.subject import (
    SELF,
    Open,
    ReadWrite,
    instance,
    new_name,
    registered,
    somebody,
    watched,
)
from muster.testing.watching import only, until


async def an_id_belongs_to_one_service(open_registry: Open) -> None:
    """An id that another service's instance holds is Rejected, and that instance stays as it is."""
    async with watched(open_registry) as (registry, name, watch):
        holder = instance(name)
        async with registered(registry, holder):
            await _is_rejected(registry, Registration(replace(holder, service=new_name()), (SELF,)))
            assert only(await watch.until(somebody)) == holder


async def deregistering_the_unknown_is_fine(open_registry: Open) -> None:
    """An id that nobody holds, and one that was deregistered already: the goal is reached."""
    async with open_registry() as registry:
        written = instance(new_name())
        await registry.deregister(written.id)
        async with registered(registry, written):
            await registry.deregister(written.id)


async def beating_the_unknown_is_told(open_registry: Open) -> None:
    """A beat for an unknown instance, an unknown check, a check that is not TTL or a deregistered instance."""
    async with open_registry() as registry:
        written = instance(new_name())
        await _is_not_registered(registry, written.id, "self")
        async with registered(registry, written, checks=(SELF, TCPCheck("port", "127.0.0.1:9", interval=600.0))):
            await registry.beat(written.id, CheckState("self", Health.PASSING))
            await _is_not_registered(registry, written.id, "nonsense")
            await _is_not_registered(registry, written.id, "port")
        await _is_not_registered(registry, written.id, "self")


async def what_cannot_be_registered_is_rejected(open_registry: Open) -> None:
    """Names, ids, ports, weights, addresses, metadata and checks that make no sense or find no room."""
    good = instance(new_name())
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
