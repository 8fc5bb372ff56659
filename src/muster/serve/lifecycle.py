"""The phases of one run of a service, as a table. Pure.

    STARTING ──> SERVING ──> DRAINING ──> CLOSING ──> CLOSED
        └────────── the start failed ────────┘

What is answered to who asks for health:

    phase       for the instance's id and names     for the program as a whole ("")
    STARTING    not serving                         not serving
    SERVING     serving, once the register check    serving, once the registry has taken it for the first time
                has passed, and while none of       (at once where others register it), and while none of
                its critical checks fails           its critical checks fails
    DRAINING    not serving                         not serving
    CLOSING     as DRAINING; whoever watches is sent away, so that nobody keeps the server open
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from muster.model.events import RegistrationState
from muster.serve.standing import Standing


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    CLOSING = "closing"
    CLOSED = "closed"


_NEXT = {
    Phase.STARTING: {Phase.SERVING, Phase.CLOSING},
    Phase.SERVING: {Phase.DRAINING},
    Phase.DRAINING: {Phase.CLOSING},
    Phase.CLOSING: {Phase.CLOSED},
    Phase.CLOSED: set[Phase](),
}


def step(phase: Phase, to: Phase) -> Phase:
    """The phase that follows. Raises RuntimeError for a step that the table does not have: a fault of muster's own."""
    if to not in _NEXT[phase]:
        raise RuntimeError(f"a service that is {phase} cannot become {to}")
    return to


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a run should get work. `why`: what it waits for, or, when it is ready, what is not as it should be."""

    ready: bool
    why: str = ""


def serving(phase: Phase, standing: Standing, critical: str = "") -> bool:
    """Whether calls are welcome: what the registry's check and the clients' watches are answered.

    `critical`: which of its author's critical checks fail, and why."""
    return phase is Phase.SERVING and standing.checked and not critical


def readiness(phase: Phase, standing: Standing, critical: str = "") -> Readiness:
    """Whether the program as a whole is ready: what an orchestrator is answered.

    Once registered it stays ready while the registry is away: clients go on calling by what they last knew, and
    restarting every copy would turn the registry's outage into everybody's.
    """
    if phase is not Phase.SERVING:
        return Readiness(False, str(phase))
    if not standing.checked:
        return Readiness(False, standing.why or "the register check has not passed yet")
    if critical:
        return Readiness(False, critical)
    if standing.registered_once or standing.state in (RegistrationState.OFF, RegistrationState.EXTERNAL):
        return Readiness(True, standing.why)
    return Readiness(False, f"not registered yet{standing.why and ': '}{standing.why}")
