"""Shared, counted watches: one watch a name, however many channels and pools want to know of it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from muster.model.events import Observer, WatchEnded, ignore
from muster.model.snapshot import Pending, Snapshot
from muster.registry.protocol import Discovery
from muster.watch.backoff import Backoff
from muster.watch.latest import Latest
from muster.watch.overrides import Overrides
from muster.watch.watcher import follow

LINGER = 30.0
"""Seconds that a watch outlives its last reader, so that a name used now and then is not asked for anew each time."""


class Subscription:
    """One reader's share in the watch of a name. `close` may be called more than once."""

    def __init__(self, hub: Hub, watched: _Watched) -> None:
        self._hub = hub
        self._watched: _Watched | None = watched
        self.latest = watched.latest

    def close(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            self._hub._release(watched)


class Hub:
    """Watches by name, for one registry and one event loop. Enter it, then `watch`; leaving ends every watch.

    `overrides` say which names are not asked of the registry at all, but of a list, DNS or a mesh.
    """

    def __init__(
        self,
        discovery: Discovery,
        observe: Observer = ignore,
        *,
        overrides: Overrides | None = None,
        backoff: Backoff = Backoff(),
        linger: float = LINGER,
    ) -> None:
        self._discovery = discovery
        self._observe = observe
        self._overrides = overrides or Overrides()
        self._backoff = backoff
        self._linger = linger
        self._watched: dict[str, _Watched] = {}
        self._group: asyncio.TaskGroup | None = None
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._polling = self._group.create_task(self._overrides.poll(), name="muster overrides")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None and self._polling is not None
        self._polling.cancel()
        for watched in tuple(self._watched.values()):
            self._end(watched)
        group, self._group = self._group, None
        await group.__aexit__(kind, error, trace)

    def watch(self, name: str) -> Subscription:
        """Share in the watch of `name`, which starts now if nobody else has one. Close it when done.

        Raises BadConfiguration for an override of the name that cannot be used.
        """
        if self._group is None:
            raise RuntimeError("the hub is not open: use 'async with'")
        self._overrides.of(name)
        watched = self._watched.get(name)
        if watched is None:
            watched = self._watched[name] = _Watched(Latest(Pending(name)))
            watched.task = self._group.create_task(self._follow(watched.latest), name=f"muster watch {name}")
        watched.readers += 1
        if watched.ending is not None:
            watched.ending.cancel()
            watched.ending = None
        return Subscription(self, watched)

    def _release(self, watched: _Watched) -> None:
        watched.readers -= 1
        if not watched.readers and self._group is not None:
            watched.ending = asyncio.get_running_loop().call_later(self._linger, self._end, watched)

    def _end(self, watched: _Watched) -> None:
        name = watched.latest.value.name
        self._watched.pop(name, None)
        self._observe(WatchEnded(name))
        if watched.ending is not None:
            watched.ending.cancel()
        if watched.task is not None:
            watched.task.cancel()

    async def _follow(self, latest: Latest[Snapshot]) -> None:
        """Follow the name wherever it is to be found, and start over when its override changes."""
        name = latest.value.name
        while True:
            override = self._overrides.of(name)
            source = self._discovery if override is None else override.source() or self._discovery
            async with asyncio.TaskGroup() as group:
                following = group.create_task(follow(source, latest, self._observe, backoff=self._backoff))
                await self._overrides.changed(name, override)
                following.cancel()


class _Watched:
    """One name's watch, its readers, and the timer that ends it when the last has gone."""

    def __init__(self, latest: Latest[Snapshot]) -> None:
        self.latest = latest
        self.readers = 0
        self.task: asyncio.Task[None] | None = None
        self.ending: asyncio.TimerHandle | None = None
