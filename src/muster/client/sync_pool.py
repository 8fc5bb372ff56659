"""A pool for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self

from muster.balance.explanation import Explanation
from muster.client.background import Background, Opened
from muster.client.connector import LinkT
from muster.client.lease import Lease
from muster.client.pool import Pool
from muster.model.instance import Instance


class SyncLease(Generic[LinkT]):
    """A Lease that any thread may release. Use it in a `with`, which reports the outcome by itself."""

    def __init__(self, background: Background, lease: Lease[LinkT]) -> None:
        self._background = background
        self._lease = lease

    @property
    def instance(self) -> Instance:
        return self._lease.instance

    def release(self, code: str = "OK") -> None:
        """The work is done, with a gRPC status name. Only the first call counts; in a forked child none does."""
        if not self._background.abandoned:
            with self._background.inside:
                self._lease.release(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._background.abandoned:
            with self._background.inside:
                self._lease.__exit__(kind, error, trace)


class SyncPool(Generic[LinkT]):
    """The instances of one name, and whose turn it is. For any number of threads; may be made before a fork."""

    def __init__(self, find: Callable[[], tuple[Opened[Any], Pool[LinkT]]]) -> None:
        """`find` gives the pool of the present process, and what it was opened with."""
        self._find = find

    def pick(self, key: str | None = None) -> SyncLease[LinkT]:
        """An instance for one piece of work, at once. Release it, or use it in a `with`.

        `key`: what calls that belong together have in common, for pickers that hash. Raises NoInstances where nobody
        can be used now, and RegistryUnavailable where nothing is known yet.
        """
        opened, pool = self._find()
        with opened.background.inside:
            return SyncLease(opened.background, pool.pick(key))

    def lease(
        self, key: str | None = None, *, timeout: float | None = None, wait_for_ready: bool = False
    ) -> SyncLease[LinkT]:
        """As `pick`, but it waits while the registry's first answer is due; with `wait_for_ready`, until there is
        somebody. Raises TimeoutError after `timeout` seconds."""
        opened, pool = self._find()
        return SyncLease(opened.background, opened.run(_lease(pool, key, timeout, wait_for_ready)))

    def explain(self, key: str | None = None) -> Explanation:
        """As Pool.explain."""
        opened, pool = self._find()
        with opened.background.inside:
            return pool.explain(key)


async def _lease(pool: Pool[LinkT], key: str | None, timeout: float | None, wait_for_ready: bool) -> Lease[LinkT]:
    async with asyncio.timeout(timeout):
        return Lease(await pool.wait(key=key, wait_for_ready=wait_for_ready))
