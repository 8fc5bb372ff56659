"""Writing snapshots to disk as they change, in a thread, and no more often than is of use."""

from __future__ import annotations

import asyncio
import logging

from muster.model.snapshot import Absent, Known, Snapshot, Stale
from muster.watch.disk import Disk

log = logging.getLogger("muster.disk")

INTERVAL = 1.0
"""Seconds between two writes of a name: a rollout changes it many times a second, and only the end of it matters."""


class Keeper:
    """What there is to be written, and the task that writes it. For one event loop."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._dirty: dict[tuple[str, str], Known | Absent] = {}
        self._changed = asyncio.Event()

    def note(self, place: str, snapshot: Snapshot) -> None:
        """Keep `snapshot` of `place` soon. What the registry did not say itself is not kept, nor what is in doubt."""
        if isinstance(snapshot, Known | Absent):
            self._dirty[place, snapshot.name] = snapshot
            self._changed.set()

    async def load(self, name: str, place: str) -> Stale | None:
        return await asyncio.to_thread(self._disk.load, name, place)

    async def run(self) -> None:
        """Write until cancelled; then what is left is written at once. A disk that fails is told of, and no more."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._written(self._take())
                await asyncio.sleep(INTERVAL)
        finally:
            self._write(self._take())

    async def _written(self, snapshots: dict[tuple[str, str], Known | Absent]) -> None:
        """Write on a thread. Being cancelled waits for it: who starts next may look for the files at once."""
        writing = asyncio.get_running_loop().run_in_executor(None, self._write, snapshots)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            raise

    def _take(self) -> dict[tuple[str, str], Known | Absent]:
        taken, self._dirty = self._dirty, {}
        return taken

    def _write(self, snapshots: dict[tuple[str, str], Known | Absent]) -> None:
        for (place, _), snapshot in snapshots.items():
            try:
                if isinstance(snapshot, Absent):
                    self._disk.forget(snapshot.name, place)
                elif not snapshot.doubtful:
                    self._disk.save(snapshot, place)
            except OSError as error:
                log.warning("what is known of %s could not be kept on disk: %s", snapshot.name, error)
