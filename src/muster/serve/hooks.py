"""What the author of a service runs at its start and its stop: plain or async functions without arguments."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from muster.serve.within import within

log = logging.getLogger("muster.serve")

Hook = Callable[[], object]
"""May be async. A plain one runs on the event loop and should return soon."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """In the order in which they were added, which is the order in which they run."""

    before_start: list[Hook] = field(default_factory=list[Hook])
    after_start: list[Hook] = field(default_factory=list[Hook])
    before_stop: list[Hook] = field(default_factory=list[Hook])
    after_stop: list[Hook] = field(default_factory=list[Hook])
    register_check: list[Hook] = field(default_factory=list[Hook])


async def call(hook: Hook) -> object:
    """Run one hook and wait for it where it is async."""
    result = hook()
    return await result if inspect.isawaitable(result) else result


async def start(hooks: Iterable[Hook]) -> None:
    """Run hooks at a start: the first that raises ends it."""
    for hook in hooks:
        await call(hook)


async def stop(hooks: Iterable[Hook], limit: float) -> list[Exception]:
    """Run every hook at a stop, whatever becomes of the others, together for `limit` seconds at most.

    Returns what they raised, TimeoutError for those that the time did not suffice for. Raises CancelledError only.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + limit
    failures: list[Exception] = []
    for hook in hooks:
        try:
            async with within(deadline - clock()):
                await call(hook)
        except Exception as error:
            log.exception("hook %s failed while the service stopped", _name(hook))
            failures.append(error)
    return failures


async def gate(checks: Iterable[Hook]) -> None:
    """Run register checks. Raises what one of them raises, and AssertionError for one that returns False."""
    for check in checks:
        if await call(check) is False:
            raise AssertionError(f"{_name(check)} returned False")


def _name(hook: Hook) -> str:
    return getattr(hook, "__qualname__", repr(hook))
