"""Which names there are.

Anybody may ask a gateway for any name, and following one costs a watch at the registry. So only names that the registry
lists, or that are sent elsewhere by an override, are passed on to the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from muster.model.errors import BadConfiguration, MusterError, RegistryUnavailable

INTERVAL = 0.25
"""Seconds between questions to the registry, however many unknown names are asked for."""

PATIENCE = 2.0
"""Seconds to wait for the list of names: it is a help, not worth a request's whole time."""

Listing = Callable[[], Awaitable[Mapping[str, frozenset[str]]]]


class Names:
    """The names of the registry, asked for when a name is not among those known. For one event loop."""

    def __init__(
        self, listing: Listing, overridden: Callable[[str], bool], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`overridden`: as `Client.overridden`."""
        self._listing = listing
        self._overridden = overridden
        self._clock = clock
        self._names: Mapping[str, frozenset[str]] | None = None
        self._failure: MusterError | None = None
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def may_be(self, name: str) -> bool:
        """False if certainly nobody is registered under `name` now. A registry that cannot tell proves nothing."""
        if self._known(name) or self._is_overridden(name):
            return True
        try:
            await self.refresh()
        except MusterError:
            return True
        return self._known(name)

    async def listed(self) -> tuple[str, ...]:
        """The names, in order, as fresh as INTERVAL allows. Raises what the registry raises."""
        await self.refresh()
        return tuple(sorted(self._names or ()))

    async def ready(self) -> None:
        """Returns if the registry has ever told its names, or does so now; else raises what it raises."""
        if self._names is None:
            await self.refresh()

    async def refresh(self) -> None:
        """Asks the registry, once for all who ask together: what they get is never older than their question."""
        asked_at = self._clock()
        async with self._asking:
            if self._asked < asked_at:
                await asyncio.sleep(max(0.0, self._asked + INTERVAL - self._clock()))
                await self._ask()
            if self._failure is not None:
                raise self._failure.with_traceback(None)

    async def _ask(self) -> None:
        asked = self._clock()
        try:
            async with asyncio.timeout(PATIENCE):
                self._names = await self._listing()
            self._failure = None
        except TimeoutError:
            self._failure = RegistryUnavailable(f"the registry has not listed its names within {PATIENCE:g} s")
        except MusterError as error:
            self._failure = error
        self._asked = asked

    def _known(self, name: str) -> bool:
        return self._names is not None and name in self._names

    def _is_overridden(self, name: str) -> bool:
        try:
            return self._overridden(name)
        except BadConfiguration:
            return True  # the client names what is wrong with it
