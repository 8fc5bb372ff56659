"""Who registers the service."""

from __future__ import annotations

from enum import StrEnum

from muster.model.errors import BadConfiguration
from muster.model.events import RegistrationState
from muster.serve.standing import Standing


class Mode(StrEnum):
    """SELF: the service itself. EXTERNAL: somebody else, such as Nomad or Kubernetes; the service answers for its
    health and drains in the same order, and writes nothing to a registry. OFF: nobody."""

    SELF = "self"
    EXTERNAL = "external"
    OFF = "off"

    @property
    def standing(self) -> Standing:
        """Where a registration stands before anything was done."""
        return Standing(_BEGIN[self])


_BEGIN = {
    Mode.SELF: RegistrationState.WAITING,
    Mode.EXTERNAL: RegistrationState.EXTERNAL,
    Mode.OFF: RegistrationState.OFF,
}


def mode_of(text: str) -> Mode:
    """The mode of that name. Raises BadConfiguration."""
    try:
        return Mode(text.strip().lower())
    except ValueError:
        known = ", ".join(map(repr, map(str, Mode)))
        raise BadConfiguration(f"register (MUSTER_REGISTER) is {text!r}; it can be {known}") from None
