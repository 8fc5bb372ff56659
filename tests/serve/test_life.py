"""One run of a service, in virtual time: what happens in which order, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from muster.model.errors import RegistryUnavailable
from muster.serve import hooks as run
from muster.serve.entry import Label, compose
from muster.serve.health import Answer, HealthState
from muster.serve.hooks import Hooks
from muster.serve.life import live, prepared
from muster.serve.membership import Membership
from muster.serve.mode import Mode
from muster.serve.reach import by_grpc
from muster.serve.settings import Timing
from muster.serve.standing import Pace
from muster.testing.clock import VirtualTimeLoop

pytestmark = pytest.mark.anyio

TIMING = Timing(drain=2.0, stop=4.5)
ENTRY = compose(Label("greeter"), "greeter-1", ("127.0.0.1", 9000), (), TIMING, by_grpc(None))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


class Stage:
    """A service whose every step is written down with its second. Calls under way need `busy` seconds to end."""

    def __init__(self, registrar: Any, mode: Mode = Mode.SELF) -> None:
        self.log: list[str] = []
        self.times: list[float] = []
        self.busy = 0.0
        self.answered = Answer.NOT_SERVING
        self.hooks = Hooks()
        self.health = HealthState({"greeter-1"}, mode.standing)
        for name in ("before_start", "after_start", "before_stop", "after_stop", "register_check"):
            getattr(self.hooks, name).append(partial(self.note, name))
        gate = partial(run.gate, self.hooks.register_check)
        self.membership = Membership(registrar, ENTRY, gate, mode.standing, Pace(10.0))
        self.membership.standing.listen(lambda standing: self.note(str(standing.state)))
        self.health.reports.listen(self._changed)

    async def serve(self) -> None:
        self.note("serve")

    async def stop(self, grace: float) -> None:
        self.note(f"stop {grace:.2f}")
        await asyncio.sleep(min(grace, self.busy))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            prepared(self.hooks) as failures,
            live(self, self.membership, self.health, self.hooks, TIMING, failures),
        ):
            self.note("body")
            yield
            self.note("end of body")

    def note(self, what: str) -> None:
        self.log.append(what)
        self.times.append(round(asyncio.get_running_loop().time(), 2))

    def at(self, what: str) -> float:
        return self.times[self.log.index(what)]

    def _changed(self, report: Any) -> None:
        answer = self.health.answer("greeter-1")
        if answer is not self.answered:
            self.answered = answer
            self.note(f"health {answer}")


@pytest.fixture
async def stage(registrar: Any) -> Stage:
    return Stage(registrar)


WHOLE_STOP = ["before_stop", "health NOT_SERVING", "deregistered", "stop 2.50", "after_stop"]


async def test_the_whole_sequence(stage: Stage, registrar: Any) -> None:
    async with stage.running():
        pass
    assert stage.log == [
        "before_start",
        "serve",
        "register_check",
        "waiting",
        "health SERVING",
        "registered",
        "after_start",
        "body",
        "end of body",
        *WHOLE_STOP,
    ]
    assert registrar.done == ["register", "beat critical", "deregister"]
    assert stage.at("stop 2.50") - stage.at("deregistered") == pytest.approx(2.0)


async def test_health_is_answered_before_the_registry_can_ask(stage: Stage) -> None:
    async with stage.running():
        assert stage.log.index("health SERVING") < stage.log.index("registered")


async def test_being_cancelled_drains_too(stage: Stage) -> None:
    async def serve() -> None:
        async with stage.running():
            await asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await asyncio.sleep(60)
        task.cancel()
    assert task.cancelled()
    assert stage.log[-5:] == WHOLE_STOP


async def test_being_cancelled_once_more_stops_at_once(stage: Stage, registrar: Any) -> None:
    async def serve() -> None:
        async with stage.running():
            await asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await asyncio.sleep(60)
        task.cancel()
        await asyncio.sleep(0.5)
        task.cancel()
    assert stage.log[-4:] == ["health NOT_SERVING", "deregistered", "stop 0.00", "after_stop"]
    assert stage.at("stop 0.00") - stage.at("before_stop") == pytest.approx(0.5)


async def test_being_cancelled_once_more_while_it_deregisters_still_does(stage: Stage, registrar: Any) -> None:
    async def serve() -> None:
        async with stage.running():
            registrar.hangs = True

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await asyncio.sleep(0.5)
        registrar.hangs = False
        task.cancel()
    assert task.cancelled()
    assert registrar.done == ["register", "beat critical", "beat critical", "deregister"]
    assert stage.log[-3:] == ["deregistered", "stop 0.00", "after_stop"]


async def test_a_registry_that_is_away_at_the_stop_and_comes_back_loses_the_entry(stage: Stage, registrar: Any) -> None:
    async with stage.running():
        registrar.answer = lambda _: RegistryUnavailable("refused")
        asyncio.get_running_loop().call_later(1.5, lambda: setattr(registrar, "answer", lambda _: None))
    assert registrar.done[-2:] == ["beat critical", "deregister"]
    assert stage.at("deregistered") - stage.at("before_stop") == pytest.approx(1.5, abs=0.3)
    assert stage.at("stop 2.50") - stage.at("before_stop") == pytest.approx(2.0)


async def test_a_registry_that_answers_once_the_drain_is_over_is_asked_at_the_end(stage: Stage, registrar: Any) -> None:
    async with stage.running():
        stage.busy = 1.0
        registrar.hangs = True
        asyncio.get_running_loop().call_later(3.5, lambda: setattr(registrar, "hangs", False))
    assert stage.log[-2:] == ["deregistered", "after_stop"]
    assert stage.at("after_stop") - stage.at("before_stop") == pytest.approx(4.0)


async def test_a_registry_that_never_answers_does_not_hold_up_the_stop(stage: Stage, registrar: Any) -> None:
    async with stage.running():
        stage.busy = 10.0
        registrar.hangs = True
    assert "deregistered" not in stage.log
    assert stage.at("after_stop") - stage.at("before_stop") == pytest.approx(4.75)


async def test_who_was_never_known_need_not_drain(stage: Stage, registrar: Any) -> None:
    registrar.answer = lambda _: RegistryUnavailable("refused")
    async with stage.running():
        pass
    assert stage.at("after_stop") == stage.at("before_stop")


async def test_being_cancelled_in_a_hook_of_the_stop_still_deregisters(stage: Stage, registrar: Any) -> None:
    stage.hooks.before_stop.append(partial(asyncio.sleep, 60))

    async def serve() -> None:
        async with stage.running():
            pass

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await asyncio.sleep(1)
        task.cancel()
    assert task.cancelled()
    assert registrar.done[-1] == "deregister"
    assert stage.at("after_stop") == pytest.approx(1.0)


async def test_the_error_of_the_body_comes_out_as_it_is(stage: Stage) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with stage.running():
            raise KeyError("mine")
    assert stage.log[-5:] == WHOLE_STOP


async def test_a_start_that_fails_in_before_start(stage: Stage, registrar: Any) -> None:
    stage.hooks.before_start.append(_fail)
    with pytest.raises(OSError, match="no database"):
        async with stage.running():
            pass
    assert stage.log == ["before_start"]


async def test_a_start_that_fails_in_after_start(stage: Stage, registrar: Any) -> None:
    stage.hooks.after_start.append(_fail)
    with pytest.raises(OSError, match="no database"):
        async with stage.running():
            pass
    assert "before_stop" not in stage.log
    assert stage.log[-4:] == WHOLE_STOP[1:]
    assert registrar.done[-1] == "deregister"


async def test_being_cancelled_during_the_start(stage: Stage, registrar: Any) -> None:
    registrar.hangs = True

    async def serve() -> None:
        async with stage.running():
            pass

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await asyncio.sleep(1)
        registrar.hangs = False
        task.cancel()
    assert task.cancelled()
    assert "body" not in stage.log
    assert stage.log[-4:] == ["health NOT_SERVING", "deregistered", "stop 4.50", "after_stop"]
    assert registrar.done[-1] == "deregister"


async def test_what_hooks_of_the_stop_raise_comes_at_the_very_end(stage: Stage) -> None:
    stage.hooks.before_stop.append(_fail)
    with pytest.raises(OSError, match="no database"):
        async with stage.running():
            pass
    assert stage.log[-5:] == WHOLE_STOP


async def test_several_hooks_that_fail_at_the_stop(stage: Stage) -> None:
    stage.hooks.before_stop.append(_fail)
    stage.hooks.after_stop.append(_fail)
    with pytest.raises(ExceptionGroup, match="several hooks failed") as raised:
        async with stage.running():
            pass
    assert len(raised.value.exceptions) == 2


async def test_why_it_stopped_is_not_hidden_by_how(stage: Stage) -> None:
    stage.hooks.before_stop.append(_fail)
    with pytest.raises(KeyError, match="mine"):
        async with stage.running():
            raise KeyError("mine")


async def test_a_stop_fits_its_time_whatever_is_slow(stage: Stage, registrar: Any) -> None:
    """A hook that hangs leaves the drain its time; a registry that hangs has one second; calls have the rest."""
    stage.hooks.before_stop.append(partial(asyncio.sleep, 60))
    stage.busy = 60.0
    with pytest.raises(TimeoutError):
        async with stage.running():
            registrar.hangs = True
    assert stage.at("health NOT_SERVING") < 60
    began, ended = stage.at("before_stop"), stage.at("after_stop")
    assert ended - began <= TIMING.stop + 0.3


async def test_a_registry_that_is_away_at_the_stop(stage: Stage, registrar: Any) -> None:
    async with stage.running():
        registrar.hangs = True
    assert stage.at("stop 1.50") - stage.at("before_stop") == pytest.approx(3.0, abs=0.01)


async def test_calls_under_way_have_what_is_left(stage: Stage) -> None:
    stage.busy = 60.0
    async with stage.running():
        pass
    assert stage.at("after_stop") - stage.at("before_stop") == pytest.approx(TIMING.stop)


async def test_a_registry_that_is_away_does_not_hold_up_the_start(stage: Stage, registrar: Any) -> None:
    registrar.answer = lambda _: RegistryUnavailable("refused")
    async with stage.running():
        assert stage.health.readiness.why == "not registered yet: register: refused"
        registrar.answer = lambda _: None
        await asyncio.sleep(10)
        assert stage.health.readiness.ready


async def test_where_others_register_the_order_is_the_same() -> None:
    stage = Stage(None, Mode.EXTERNAL)
    async with stage.running():
        assert stage.health.readiness.ready
    assert [each for each in stage.log if not each.startswith("health")] == [
        "before_start",
        "serve",
        "register_check",
        "external",
        "after_start",
        "body",
        "end of body",
        "before_stop",
        "stop 2.50",
        "after_stop",
    ]


def _fail() -> None:
    raise OSError("no database")
