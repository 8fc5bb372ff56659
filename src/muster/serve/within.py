"""asyncio.timeout, for a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raises TimeoutError where the body takes longer, also in a task that is being cancelled.

    A stop often runs in one, and there asyncio.timeout of Python 3.11.2 (Debian 12) raises CancelledError instead: it
    takes the cancellation that began the stop for a new one.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except asyncio.CancelledError:
        if scope.expired() and task.cancelling() <= before:
            raise TimeoutError from None
        raise
