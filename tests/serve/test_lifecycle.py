"""The table of phases, and what is answered in each."""

from __future__ import annotations

import pytest

from muster.model.events import RegistrationState
from muster.serve.health import Answer, HealthState
from muster.serve.lifecycle import Phase, Readiness, readiness, serving, step
from muster.serve.mode import Mode
from muster.serve.standing import Standing

UNCHECKED = Standing(RegistrationState.WAITING)
UNREGISTERED = Standing(RegistrationState.WAITING, "register: refused", checked=True)
REGISTERED = Standing(RegistrationState.REGISTERED, checked=True, registered_once=True)
CUT_OFF = Standing(RegistrationState.FAILING, "heartbeat: refused", checked=True, registered_once=True)
EXTERNAL = Standing(RegistrationState.EXTERNAL, checked=True)


@pytest.mark.parametrize(
    ("phase", "standing", "identity", "overall"),
    [
        (Phase.STARTING, UNCHECKED, False, Readiness(False, "starting")),
        (Phase.SERVING, UNCHECKED, False, Readiness(False, "the register check has not passed yet")),
        (Phase.SERVING, UNREGISTERED, True, Readiness(False, "not registered yet: register: refused")),
        (Phase.SERVING, REGISTERED, True, Readiness(True)),
        (Phase.SERVING, CUT_OFF, True, Readiness(True, "heartbeat: refused")),
        (Phase.SERVING, EXTERNAL, True, Readiness(True)),
        (Phase.SERVING, Mode.EXTERNAL.standing, False, Readiness(False, "the register check has not passed yet")),
        (Phase.DRAINING, REGISTERED, False, Readiness(False, "draining")),
        (Phase.CLOSING, REGISTERED, False, Readiness(False, "closing")),
    ],
)
def test_what_is_answered(phase: Phase, standing: Standing, identity: bool, overall: Readiness) -> None:
    assert serving(phase, standing) is identity
    assert readiness(phase, standing) == overall


@pytest.mark.parametrize(
    ("phase", "to"),
    [(Phase.STARTING, Phase.DRAINING), (Phase.DRAINING, Phase.SERVING), (Phase.CLOSED, Phase.STARTING)],
)
def test_a_step_that_the_table_does_not_have(phase: Phase, to: Phase) -> None:
    with pytest.raises(RuntimeError, match=f"{phase} cannot become {to}"):
        step(phase, to)


def test_an_instance_answers_to_its_names_and_to_no_other() -> None:
    health = HealthState({"greeter", "greeter-1", "greeter.Say"}, UNCHECKED)
    health.enter(Phase.SERVING)
    health.registration(UNREGISTERED)
    answers = {name: health.answer(name) for name in ("", "greeter", "greeter-1", "greeter.Say", "greeter-2")}
    assert answers == {
        "": Answer.NOT_SERVING,
        "greeter": Answer.SERVING,
        "greeter-1": Answer.SERVING,
        "greeter.Say": Answer.SERVING,
        "greeter-2": Answer.UNKNOWN,
    }


def test_whoever_listens_is_told_at_once() -> None:
    health = HealthState({"greeter"}, REGISTERED)
    heard: list[tuple[Phase, Answer]] = []
    health.reports.listen(lambda report: heard.append((report.phase, health.answer("greeter"))))
    for phase in (Phase.SERVING, Phase.DRAINING, Phase.CLOSING, Phase.CLOSED):
        health.enter(phase)
    assert [answer for _, answer in heard] == [Answer.SERVING, *[Answer.NOT_SERVING] * 3]
    assert health.reports.value.over
