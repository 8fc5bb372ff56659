"""Python files that change while their author works on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from muster.cli.misuse import Misuse
from muster.cli.output import note
from muster.watch.background import background_tasks


@asynccontextmanager
async def noticing(directory: Path, changed: Callable[[], object]) -> AsyncIterator[None]:
    """Meanwhile call `changed` when Python files in `directory`, or below, have changed: once for what an editor writes
    at one time. Raises Misuse where the extra that it takes is not installed."""
    try:
        import watchfiles
    except ImportError:
        raise Misuse("--reload needs watchfiles: pip install 'muster-discovery[reload]'") from None

    async def watch() -> None:
        async for changes in watchfiles.awatch(directory, watch_filter=watchfiles.PythonFilter()):
            note(f"changed: {', '.join(sorted(_shown(path, directory) for _, path in changes))}")
            changed()

    async with background_tasks() as tasks:
        watching = tasks.create_task(watch())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            watching.cancel()


def _shown(path: str, directory: Path) -> str:
    return str(Path(path).relative_to(directory)) if Path(path).is_relative_to(directory) else path
