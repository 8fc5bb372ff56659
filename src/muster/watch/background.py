"""Tasks that run beside the body of somebody's `async with`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context


@asynccontextmanager
async def background_tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that lets an error of the body through as it is.

    A TaskGroup alone wraps it, and whoever writes `async with Client()` would have to catch groups. An error of a task
    ends the body, as ever. Whoever starts tasks cancels them before the context ends: it waits for them.
    """
    group = asyncio.TaskGroup()
    await group.__aenter__()
    try:
        yield group
    finally:
        await group.__aexit__(None, None, None)


def unrelated() -> Context:
    """The context of a task that one call begins and all others go on using, such as a watch: nothing of that call's.

    Else that call's trace would get a span for every question to the registry from then on, and its request would be
    named in every log line of the watch.
    """
    return Context()
