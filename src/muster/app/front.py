"""What the workers of a service are together: one address for HTTP, and one registration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from muster.http.listening import listen
from muster.model.errors import BadConfiguration, MusterError
from muster.model.events import Observer
from muster.model.instance import join_host_port
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.registry.url import open_registry
from muster.serve.entry import new_id
from muster.serve.membership import ATTEMPT_LIMIT, Membership
from muster.serve.mode import Mode
from muster.serve.reporting import report
from muster.serve.standing import Pace, Standing
from muster.serve.workers.condition import Crewed
from muster.serve.workers.dealing import Dealer
from muster.serve.workers.messages import Announced, Given, Registered, Wanted
from muster.serve.workers.supervisor import Supervisor
from muster.watch.background import background_tasks

log = logging.getLogger("muster.serve")


class Front:
    """Listens, registers and leaves for the workers of `supervisor`. Used within `opened`."""

    def __init__(self, supervisor: Supervisor, observe: Observer) -> None:
        self._supervisor = supervisor
        self._observe = observe
        self._condition = Crewed(supervisor.table)
        self._stack = AsyncExitStack()
        self._one_by_one = asyncio.Lock()
        self._wanted: Wanted | None = None
        self._given = Given()
        self._dealer: Dealer | None = None
        self._registrar: Registrar | None = None
        self._entry: Registration | None = None
        self._membership: Membership | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._left = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """At the end the address and the connections to the registry are closed."""
        async with AsyncExitStack() as self._stack:
            self._tasks = await self._stack.enter_async_context(background_tasks())
            try:
                yield
            finally:
                await self._keep_no_more()
                if self._dealer is not None:
                    self._dealer.close()

    @property
    def registry(self) -> str:
        """Where the workers are registered, for people; empty where they do not register."""
        return str(self._registrar or "")

    async def place(self, wanted: Wanted) -> Given:
        """The answer to a worker: the first one's wish decides for all, since the address outlives them."""
        async with self._one_by_one:
            if self._wanted is not None and wanted != self._wanted:
                before, now = _shown(self._wanted), _shown(wanted)
                return Given(refusal=f"it was {before} and would be {now}: end 'muster run' and start it anew")
            if self._wanted is None:
                return await self._listen(wanted)
            return self._given

    async def announced(self, number: int, announced: Announced) -> None:
        """Register what a worker has announced, unless that is done. Raises nothing for a registry that fails."""
        async with self._one_by_one:
            await self._open(announced)
            is_new = announced.shared is not None and announced.shared != self._entry
            if is_new and self._registrar is not None and not self._left:
                await self._register(self._registrar, announced)
        if self._membership is not None:
            self._supervisor.answer(number, Registered(self._membership.standing.value))

    async def tried(self) -> str:
        """Wait until an attempt to register has ended, if there is anything to; returns why it is not done."""
        async with self._one_by_one:
            membership = self._membership
        if membership is None:
            return ""
        async with aclosing(aiter(membership.standing)) as standings:
            async for standing in standings:
                if standing.checked and (standing.registered_once or standing.why):
                    return "" if standing.registered_once else f"not registered yet: {standing.why}"
        raise AssertionError("standings never end by themselves")

    async def crashed(self, announced: Announced) -> None:
        """Take what a worker has registered for itself out of the registry, since it cannot any more."""
        if self._registrar is None:
            return
        for each in announced.own:
            try:
                async with asyncio.timeout(ATTEMPT_LIMIT):
                    await self._registrar.deregister(each.instance.id)
            except (MusterError, TimeoutError) as error:
                log.warning("%s is left in the registry until it expires: %s", each.instance.id, error or "no answer")

    async def leave(self, limit: float) -> bool:
        """Take the shared instance out of the registry within `limit` seconds; returns whether it is out. May be called
        again. Raises nothing."""
        async with self._one_by_one:
            self._left = True
            await self._keep_no_more()
        return self._membership is None or await self._membership.leave(limit)

    async def _listen(self, wanted: Wanted) -> Given:
        try:
            listener = await listen(join_host_port(wanted.host or "0.0.0.0", wanted.port))
        except BadConfiguration as error:
            return Given(refusal=str(error))
        self._wanted = wanted
        self._given = Given(new_id(wanted.name), int(listener.getsockname()[1]))
        self._dealer = Dealer(listener, self._supervisor)
        return self._given

    async def _open(self, announced: Announced) -> None:
        if self._registrar is not None or announced.mode is not Mode.SELF:
            return
        registry = open_registry(announced.registry)
        assert isinstance(registry, Registrar)  # the worker writes to it too
        await self._stack.enter_async_context(registry)
        self._registrar = registry

    async def _register(self, registrar: Registrar, announced: Announced) -> None:
        """An entry that has changed, by a reload, takes the place of the one before."""
        entry = announced.shared
        assert entry is not None
        await self._keep_no_more()
        begin = self._membership.standing.value if self._membership else Mode.SELF.standing
        pace = Pace(announced.timing.beat, announced.timing.spread)
        self._entry = entry
        self._membership = Membership(registrar, entry, _pass, begin, pace, None, self._condition)
        report(self._membership, entry.instance, self._observe)
        self._membership.standing.listen(self._tell)
        self._keeping = self._tasks.create_task(self._membership.keep())

    async def _keep_no_more(self) -> None:
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])

    def _tell(self, standing: Standing) -> None:
        self._supervisor.tell(Registered(standing))


async def _pass() -> None:
    """Register checks are the workers' own: none serves whose check fails."""


def _shown(wanted: Wanted) -> str:
    return f"{wanted.name!r} at {join_host_port(wanted.host, wanted.port)}"
