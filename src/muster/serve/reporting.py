"""Telling observers where a registration stands."""

from __future__ import annotations

from muster.model.events import Observer, RegistrationChanged
from muster.model.instance import Instance
from muster.serve.membership import Member
from muster.serve.standing import Standing


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
