"""Shared, counted watches: one watch a name, however many channels and pools want to know of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from muster.model.backoff import Backoff
from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import Observer, WatchEnded, ignore
from muster.model.snapshot import Pending, Snapshot
from muster.model.typed import check_types, expect
from muster.registry.protocol import Discovery, Regional
from muster.watch.background import background_tasks, unrelated
from muster.watch.belief import Doubt
from muster.watch.disk import Disk
from muster.watch.keeper import Keeper
from muster.watch.latest import Latest
from muster.watch.overrides import Overrides
from muster.watch.watcher import follow


@dataclass(frozen=True, slots=True)
class Watching:
    """How names are watched, in numbers that belong together.

    `linger`: seconds that a watch outlives its last reader, so that a name used now and then is not asked for anew each
    time. `backoff`: between attempts to reach the registry. `doubt`: which answers are not believed at once.
    `cached`: seconds for which what a client has kept in its `cache_dir` is good for another start.
    """

    linger: float = 30.0
    backoff: Backoff = Backoff()
    doubt: Doubt = Doubt()
    cached: float = 86_400.0

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        expect("Watching(backoff=", self.backoff, Backoff, "a Backoff")
        expect("Watching(doubt=", self.doubt, Doubt, "a Doubt")
        if self.linger < 0 or self.cached < 0:
            raise BadConfiguration(f"{self}: nothing is negative")


WATCHING = Watching()
"""What a client does unless it is told otherwise."""


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

    `overrides` say which names are not asked of the registry at all, but of a list, DNS or a mesh. `disk`, prepared,
    keeps what was last known for the next run.
    """

    def __init__(
        self,
        discovery: Discovery,
        observe: Observer = ignore,
        *,
        overrides: Overrides | None = None,
        disk: Disk | None = None,
        watching: Watching = WATCHING,
    ) -> None:
        self._discovery = discovery
        self._observe = observe
        self._overrides = overrides or Overrides()
        self._keeper = None if disk is None else Keeper(disk)
        self._watching = watching
        self._watched: dict[_Key, _Watched] = {}
        self._group: asyncio.TaskGroup | None = None
        self._upkeep: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = background_tasks()
        self._group = await self._tasks.__aenter__()
        self._upkeep.append(self._group.create_task(self._overrides.poll(), name="muster overrides"))
        if self._keeper is not None:
            self._upkeep.append(self._group.create_task(self._keeper.run(), name="muster disk"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        for task in self._upkeep:
            task.cancel()
        for watched in tuple(self._watched.values()):
            self._end(watched)
        self._group = None
        await self._tasks.__aexit__(kind, error, trace)

    def watch(self, name: str, datacenters: tuple[str, ...] = ()) -> Subscription:
        """Share in the watch of `name`, which starts now if nobody else has one. Close it when done.

        `datacenters`, in order of preference: others than those of the registry's URL. Raises BadConfiguration for an
        override of the name that cannot be used, and where the registry knows of no datacenters; Rejected for what
        cannot be a name.
        """
        if self._group is None:
            raise RuntimeError("the hub is not open: use 'async with'")
        _check_name(name)
        self._overrides.of(name)
        key = name, datacenters
        watched = self._watched.get(key)
        if watched is None:
            registry = _Place(self._within(datacenters), datacenters)
            watched = self._watched[key] = _Watched(key, Latest(Pending(name)))
            following = self._follow(watched.latest, registry)
            watched.task = self._group.create_task(following, name=f"muster watch {name}", context=unrelated())
        watched.readers += 1
        if watched.ending is not None:
            watched.ending.cancel()
            watched.ending = None
        return Subscription(self, watched)

    def _within(self, datacenters: tuple[str, ...]) -> Discovery:
        if not datacenters:
            return self._discovery
        if not isinstance(self._discovery, Regional):
            raise BadConfiguration(f"{self._discovery} knows of no datacenters: leave out dc={list(datacenters)}")
        return self._discovery.within(datacenters)

    def _release(self, watched: _Watched) -> None:
        watched.readers -= 1
        if not watched.readers and self._group is not None:
            watched.ending = asyncio.get_running_loop().call_later(self._watching.linger, self._end, watched)

    def _end(self, watched: _Watched) -> None:
        self._watched.pop(watched.key, None)
        self._observe(WatchEnded(watched.key[0]))
        if watched.ending is not None:
            watched.ending.cancel()
        if watched.task is not None:
            watched.task.cancel()

    async def _follow(self, latest: Latest[Snapshot], registry: _Place) -> None:
        """Follow the name wherever it is to be found, and start over when its override changes."""
        name = latest.value.name
        while True:
            override = self._overrides.of(name)
            source = None if override is None else override.source()
            async with asyncio.TaskGroup() as group:
                following = group.create_task(
                    self._follow_registry(latest, registry) if source is None else self._follow_source(source, latest)
                )
                await self._overrides.changed(name, override)
                following.cancel()

    async def _follow_source(self, source: Discovery, latest: Latest[Snapshot]) -> None:
        await follow(source, latest, self._observe, backoff=self._watching.backoff, doubt=Doubt(grace=0))

    async def _follow_registry(self, latest: Latest[Snapshot], registry: _Place) -> None:
        keeper, place = self._keeper, ",".join(registry.datacenters)
        remembered = await keeper.load(latest.value.name, place) if keeper else None
        unlisten = latest.listen(partial(keeper.note, place)) if keeper else None
        try:
            await follow(
                registry.discovery,
                latest,
                self._observe,
                backoff=self._watching.backoff,
                doubt=self._watching.doubt,
                remembered=remembered,
            )
        finally:
            if unlisten:
                unlisten()


def _check_name(name: object) -> None:
    """Others than muster register what they like, so a reader's name is hardly bounded; but it is text, and some.

    Without this a variable that was never set would become a watch that fails for ever.
    """
    if not isinstance(name, str) or not name:
        raise Rejected(f"{name!r} cannot name a service: expected text")


_Key = tuple[str, tuple[str, ...]]
"""A name, and the datacenters to find it in."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Whom to ask, and in which datacenters; none are those of the registry's URL."""

    discovery: Discovery
    datacenters: tuple[str, ...]


class _Watched:
    """One name's watch, its readers, and the timer that ends it when the last has gone."""

    def __init__(self, key: _Key, latest: Latest[Snapshot]) -> None:
        self.key = key
        self.latest = latest
        self.readers = 0
        self.task: asyncio.Task[None] | None = None
        self.ending: asyncio.TimerHandle | None = None
