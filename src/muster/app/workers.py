"""Several processes that run a service: the side of the parent. The other side is worker.py.

The parent loads nothing of the service. It listens for HTTP and deals the connections out, registers what the workers
are together, looks after them, and ends them in order.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from muster.app.front import Front
from muster.model.errors import MusterError
from muster.model.instance import Instance
from muster.serve.life import DEREGISTER_LIMIT, HURRIED_LIMIT, Budget
from muster.serve.orphans import reaping
from muster.serve.settings import Timing
from muster.serve.workers.messages import Announced, Failed, FromWorker, Wanted
from muster.serve.workers.supervisor import Supervisor
from muster.serve.workers.table import Phase, Reload, Rules, Table
from muster.telemetry.logging import EventLog
from muster.watch.background import background_tasks

Tell = Callable[[Sequence[Instance], str, str], None]
"""Hears, once, what the workers are when those of the first start serve; the registry; and what keeps them from it."""


class WorkersFailed(MusterError):
    """No worker has got as far as to serve. `status`: the exit status that the last one asked for."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.why)
        self.status = failed.status


class Workers:
    """Workers that run `command` as `rules` say. Used within `running`, on the main thread's event loop."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], rules: Rules, tell: Tell) -> None:
        self.supervisor = Supervisor(command, environ, rules, self._heard, self._gone)
        self._front = Front(self.supervisor, EventLog())
        self._announced: dict[int, Announced] = {}
        self._timing = Timing()
        self._tell = tell
        self._leaving = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Begins when one serves (at once, where rules are patient); in the end all have left. Being cancelled
        meanwhile cuts that short. Raises WorkersFailed where none gets as far."""
        async with self._front.opened(), background_tasks() as self._tasks:
            with reaping(self.supervisor.child_ended), self.supervisor.looking():
                announcing = self._tasks.create_task(self._announce())
                try:
                    await self._begun()
                    yield
                finally:
                    announcing.cancel()
                    await self._leave()

    def signalled(self, number: int) -> None:
        """SIGHUP reloads; what other signals mean is the workers' business."""
        if number != signal.SIGHUP:
            self.supervisor.pass_on(number)
        elif self.supervisor.table.value.generation:  # they have been started
            self.supervisor.happened(Reload())

    def restart(self) -> None:
        """The code has changed, for development: all leave at once, and then new ones start."""
        self.supervisor.happened(Reload(at_once=True))

    async def _begun(self) -> None:
        supervisor = self.supervisor
        supervisor.happened(Reload())
        table = await self._until(lambda table: table.served or table.failed or table.rules.patient)
        if table.failed:
            raise WorkersFailed(supervisor.failure or Failed("every worker ended before it served", 1))

    async def _leave(self) -> None:
        """Deregister what is shared, then let workers leave, drain and end; one budget for it all."""
        self._leaving = True
        budget = Budget(self._timing.stop)
        try:
            spare = budget.left(keep=self._timing.drain)
            left = await self._front.leave(max(HURRIED_LIMIT, min(DEREGISTER_LIMIT, spare)))
            self.supervisor.stop(budget.left())
            await self.supervisor.over.wait()
            if not left:
                await self._front.leave(max(HURRIED_LIMIT, min(DEREGISTER_LIMIT, budget.left())))
        except asyncio.CancelledError:
            self.supervisor.hurry()
            await self.supervisor.over.wait()
            raise

    def _heard(self, number: int, message: FromWorker) -> None:
        match message:
            case Wanted():
                self._tasks.create_task(self._place(number, message))
            case Announced():
                self._note(number, message)

    def _note(self, number: int, announced: Announced) -> None:
        self._announced[number] = announced
        if not self._leaving:
            self._timing = announced.timing
            self.supervisor.grant(announced.timing.stop)
            self._tasks.create_task(self._front.announced(number, announced))

    async def _place(self, number: int, wanted: Wanted) -> None:
        self.supervisor.answer(number, await self._front.place(wanted))

    def _gone(self, number: int, asked: bool) -> None:
        announced = self._announced.pop(number, None)
        if announced is not None and not asked:
            self._tasks.create_task(self._front.crashed(announced))

    async def _announce(self) -> None:
        """Tell what the workers are, once those of the first start serve and the registry has been asked."""
        await self._until(lambda table: bool(table.ready) and not table.has(Phase.STARTING))
        why = await self._front.tried()
        self._tell(_instances(self._announced.values()), self._front.registry, why)

    async def _until(self, condition: Callable[[Table], bool]) -> Table:
        async with aclosing(aiter(self.supervisor.table)) as tables:
            async for table in tables:
                if condition(table):
                    return table
        raise AssertionError("tables never end by themselves")


def _instances(announced: Iterable[Announced]) -> list[Instance]:
    found = {each.instance.id: each.instance for worker in announced for each in (worker.shared, *worker.own) if each}
    return list(found.values())
