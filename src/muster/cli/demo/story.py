"""What happens in the demo, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from muster import Client
from muster.cli.demo.contract import HELLO, HelloRequest, SayStub
from muster.cli.demo.figures import Figures, figure
from muster.cli.demo.load import CLIENT, GATEWAY, Door, Load
from muster.cli.demo.system import System
from muster.cli.demo.witness import Witness

PAUSE = 1.0
"""Seconds of steady calls between one event and the next, so that each can be told apart in the numbers."""

CALL_SECONDS = 5.0
"""The deadline of a call: one that waits out a dead instance's silence counts as failed."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """What the story plays on."""

    system: System
    load: Load
    tell: Tell


async def play(system: System, tell: Tell) -> Figures:
    """Three greeters under steady load; one is ended, one is killed, both are started again."""
    await system.start_greeters(1, 2, 3)
    tell(f"three instances of {system.service} are registered, each a process of its own")
    witness = Witness()
    async with (
        Client(system.registry, idempotent=frozenset({HELLO}), observe=witness) as client,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CALL_SECONDS)) as session,
    ):
        load = Load(_doors(system, client, session))
        await _events(Stage(system, load, tell))
    return figure(load.calls, system.lives, witness.let_go)


def _doors(system: System, client: Client, session: aiohttp.ClientSession) -> Mapping[str, Door]:
    say = SayStub(client.channel(system.service))
    url = f"{system.gateway}/{system.service}/say/hello"

    async def through_client() -> str:
        reply = await say.Hello(HelloRequest(name="demo"), timeout=CALL_SECONDS)
        return str(reply.instance)

    async def through_gateway() -> str:
        async with session.get(url, params={"name": "demo"}) as response:
            if response.status != 200:
                raise RuntimeError(f"HTTP {response.status}: {await response.text()}")
            return str((await response.json())["instance"])

    return {CLIENT: through_client, GATEWAY: through_gateway}


async def _events(stage: Stage) -> None:
    system, tell = stage.system, stage.tell
    async with stage.load.running():
        tell("calls go out through a client (gRPC) and through the gateway (HTTP), 50 a second each")
        await _all_answer(stage)
        tell("greeter 1 gets SIGTERM: it leaves the registry, finishes its calls, ends")
        await system.terminate(1)
        await asyncio.sleep(PAUSE)
        tell("greeter 2 gets SIGKILL: the registry still lists it")
        await system.kill(2)
        await asyncio.sleep(PAUSE)
        tell("greeters 1 and 2 are started again")
        await system.start_greeters(1, 2, again=True)
        await _all_answer(stage)


async def _all_answer(stage: Stage) -> None:
    """Goes on when every greeter has answered through both doors, and a pause later; figures show who never did."""
    for life in stage.system.lives:
        if not life.end:
            await stage.load.answered_by(life.instance_id)
    await asyncio.sleep(PAUSE)
