"""Following a name in a test: the answers so far, and waiting for the one that is hoped for, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Generic, TypeVar

from muster.model.instance import Instance
from muster.model.snapshot import Answer, instances_of
from muster.registry.protocol import Discovery

A = TypeVar("A")

DEADLINE = 30.0
"""Seconds in which a registry must show what was written. It takes milliseconds; this is for machines under load."""


class Watching(Generic[A]):
    """What one watch told. `seen` has each answer that differs from the one before it. `deadline`: DEADLINE if None."""

    def __init__(self, answers: AsyncGenerator[A, None], deadline: float | None = None) -> None:
        self._answers = answers
        self._deadline = DEADLINE if deadline is None else deadline
        self.seen: list[A] = []

    async def next(self) -> A:
        """The next answer, whatever it is. Raises AssertionError when there is none within the deadline."""
        return await self.until(lambda answer: True)

    async def until(self, hoped_for: Callable[[A], bool]) -> A:
        """The first answer from now on that is as hoped for. Raises AssertionError, which lists what came instead."""
        try:
            async with asyncio.timeout(self._deadline):
                async for answer in self._answers:
                    if not self.seen or answer != self.seen[-1]:
                        self.seen.append(answer)
                    if hoped_for(answer):
                        return answer
        except TimeoutError:
            raise AssertionError(f"not told within {self._deadline} s; told: {self.seen}") from None
        raise AssertionError(f"the watch ended by itself; told: {self.seen}")


@asynccontextmanager
async def watching(discovery: Discovery, name: str, deadline: float | None = None) -> AsyncIterator[Watching[Answer]]:
    """Watch `name`; the watch is closed on leaving."""
    async with aclosing(discovery.watch(name)) as answers:
        yield Watching(answers, deadline)


async def until(discovery: Discovery, name: str, hoped_for: Callable[[Answer], bool]) -> Answer:
    """The first answer for `name` that is as hoped for, by a watch of its own."""
    async with watching(discovery, name) as watch:
        return await watch.until(hoped_for)


def only(answer: Answer) -> Instance:
    """The one instance in `answer`. Raises AssertionError where there is none, or more."""
    instances = instances_of(answer)
    assert len(instances) == 1, f"expected one instance: {answer}"
    return instances[0]


def ids(answer: Answer) -> list[str]:
    """The ids of the instances, in their order."""
    return [instance.id for instance in instances_of(answer)]
