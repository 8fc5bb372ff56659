"""What the rules are about: a registry that can be opened, instances to register, and what to hope for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from muster.model.check import Check, Health, TTLCheck
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, instances_of
from muster.registry.protocol import Discovery, Registrar, Registry
from muster.testing.watching import Watching, watching


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
async def watched(open_registry: Open) -> AsyncIterator[tuple[ReadWrite, str, Watching[Answer]]]:
    """A registry, a name that nobody has, and a watch of it that has said so."""
    name = new_name()
    async with open_registry() as registry, watching(registry, name) as watch:
        assert await watch.next() == Absent(name)
        yield registry, name, watch


def new_name() -> str:
    return f"conformance-{secrets.token_hex(4)}"


def somebody(answer: Answer) -> bool:
    return bool(instances_of(answer))


def nobody(answer: Answer) -> bool:
    return not instances_of(answer)


def has_health(health: Health) -> Callable[[Answer], bool]:
    return lambda answer: [each.health for each in instances_of(answer)] == [health]
