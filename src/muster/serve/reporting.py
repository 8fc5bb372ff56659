"""Telling observers where a registration stands, and what checks find."""

from __future__ import annotations

from muster.model.check import Health
from muster.model.events import CheckChanged, Observer, RegistrationChanged
from muster.model.instance import Instance
from muster.serve.checks import Result
from muster.serve.membership import Member
from muster.serve.standing import Standing
from muster.watch.latest import Latest


def report(membership: Member, instance: Instance, observe: Observer) -> None:
    """Tell `observe` where the registration stands, now and whenever that is something else than it was told last."""
    told: RegistrationChanged | None = None

    def tell(standing: Standing) -> None:
        nonlocal told
        event = RegistrationChanged(instance.service, instance.id, standing.state, standing.why)
        if event != told:
            told = event
            observe(event)

    tell(membership.standing.value)
    membership.standing.listen(tell)


def report_checks(results: Latest[tuple[Result, ...]], instance: Instance, observe: Observer) -> None:
    """Tell `observe` of each check that comes to another verdict than it had; that one passes at first is no news."""
    told: dict[str, Health] = {}

    def tell(found: tuple[Result, ...]) -> None:
        for state in (each.state for each in found if each.ended):
            if told.get(state.name, Health.PASSING) is not state.health:
                told[state.name] = state.health
                observe(CheckChanged(instance.service, instance.id, state))

    results.listen(tell)
