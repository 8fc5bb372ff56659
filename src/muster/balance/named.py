"""From a picker's name to what makes it.

Others add their own by the entry-point group `muster.pickers`: a name, and a class or function without arguments.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from muster.balance.policy import Make
from muster.model.errors import BadConfiguration

GROUP = "muster.pickers"
_BUILT_IN = {
    "least_request": "muster.balance.two_choices:least_request",
    "maglev": "muster.balance.hashing.maglev:maglev",
    "peak_ewma": "muster.balance.two_choices:peak_ewma",
    "random": "muster.balance.weighted_random:WeightedRandom",
    "rendezvous": "muster.balance.hashing.rendezvous:Rendezvous",
    "ring_hash": "muster.balance.hashing.ring:ring_hash",
    "round_robin": "muster.balance.round_robin:RoundRobin",
    "zone_aware": "muster.balance.zone_aware:ZoneAware",
}
"""Known also where the package's metadata is missing, as in a zip file or a vendored copy."""


def maker(picker: str | Make) -> Make:
    """What makes the pickers that `picker` names; what is no name is returned as it is.

    Raises BadConfiguration for an unknown name, for a plug-in that cannot be imported, and for what makes nothing.
    """
    if not isinstance(picker, str):
        if not callable(picker):
            raise BadConfiguration(f"Balancing(picker={picker!r}): expected a name, a class or a function")
        return picker
    if picker in _BUILT_IN:
        module, _, attribute = _BUILT_IN[picker].partition(":")
        return cast(Make, getattr(import_module(module), attribute))
    found = entry_points(group=GROUP, name=picker)
    if not found:
        known = sorted({*_BUILT_IN, *entry_points(group=GROUP).names})
        raise BadConfiguration(f"unknown picker {picker!r}; known: {', '.join(known)}")
    try:
        return cast(Make, next(iter(found)).load())
    except (ImportError, AttributeError) as error:
        raise BadConfiguration(f"picker {picker!r} cannot be loaded: {error}") from error
