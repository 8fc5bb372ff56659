"""A thousand services that one process has registered: what it costs to be there, while nobody calls.

Their registrations are kept as `muster.Service` keeps them, on muster's thread, with heartbeats every 10 s and a
watchdog; there are no servers behind them, since a thousand listening ports would measure those. The registry is the
embedded agent in a process of its own.

    python -m bench many_services
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from time import monotonic, process_time

from bench.figure import Figure
from bench.processes import Served, agent_process
from muster.app.keeping import Home, Kept, home
from muster.model.events import RegistrationState
from muster.model.instance import GRPC
from muster.serve.checks import Checks
from muster.serve.entry import Label, compose
from muster.serve.membership import Member
from muster.serve.mode import Mode
from muster.serve.reach import Look, Reach
from muster.serve.settings import Timing

SERVICES = 1000
TIMING = Timing(beat=10.0)


def measure(quick: bool = False) -> list[Figure]:
    with agent_process() as agent:
        own, others = asyncio.run(_at_rest(agent, 12.0 if quick else 60.0))
    what = f"{SERVICES:,} services of one process, at rest, a heartbeat in {TIMING.beat:g} s:"
    return [
        Figure(f"{what} its CPU", own, "%", at_most=2.0, note="of one core, user and system"),
        Figure(f"{what} the agent's CPU", others, "%"),
    ]


async def _at_rest(agent: Served, seconds: float) -> tuple[float, float]:
    """Percent of a core that this process and the agent use, once everybody is registered and has beaten once."""
    async with home(agent.url, Mode.SELF) as kept_at, asyncio.TaskGroup() as tasks:
        with ExitStack() as stack:
            members = [await _made(stack, kept_at, number) for number in range(SERVICES)]
            keeping = [tasks.create_task(member.keep()) for member in members]
            await _registered(members)
            await asyncio.sleep(TIMING.beat)
            began, own, others = monotonic(), process_time(), agent.cpu
            await asyncio.sleep(seconds)
            passed = monotonic() - began
            used = (process_time() - own) / passed * 100, (agent.cpu - others) / passed * 100
            assert all(member.standing.value.state is RegistrationState.REGISTERED for member in members)
            for task in keeping:
                task.cancel()
    return used


async def _made(stack: ExitStack, kept_at: Home, number: int) -> Member:
    name = f"service-{number}"
    entry = compose(Label(name), f"{name}-1", ("127.0.0.1", 9000), (), TIMING, Reach(GRPC, Look.NONE))
    kept = Kept(entry, _passes, False, Checks(()), TIMING)
    await asyncio.sleep(0)
    return stack.enter_context(kept_at.member(kept, kept_at.registrar))


async def _registered(members: list[Member]) -> None:
    for member in members:
        await member.tried.wait()
    while not all(member.known for member in members):  # noqa: ASYNC110 (there is no one event for all of them)
        await asyncio.sleep(0.1)


async def _passes() -> None: ...
