"""How a client chooses instances, in numbers that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType

from muster.balance.eligible import PANIC
from muster.balance.named import maker
from muster.balance.outlier import Outliers
from muster.balance.policy import Make
from muster.balance.subset import Subset
from muster.model.errors import BadConfiguration
from muster.model.typed import check_types, expect


@dataclass(frozen=True, slots=True)
class Balancing:
    """`picker`: a name (`balance.named`), or what makes a picker for each pool: a class or a function.

    `outliers`: who is left out on evidence of its calls. `panic`: the share of the set below which instances help out
    that would not be called otherwise (`balance.eligible`); 0 for never. `slow_start`: seconds in which newcomers come
    to their full share of calls; 0: they have it at once. `subset`: the part of a large set that is connected to and
    used; None: all. `key`: the metadata entry or header of a call whose value is its key, for pickers that hash.
    """

    picker: str | Make = "least_request"
    outliers: Outliers = Outliers()
    panic: float = PANIC
    slow_start: float = 0.0
    subset: Subset | None = None
    key: str = ""

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        expect("Balancing(outliers=", self.outliers, Outliers, "an Outliers")
        expect("Balancing(subset=", self.subset, (Subset, NoneType), "a Subset, or None")
        maker(self.picker)
        if not 0 <= self.panic <= 1 or self.slow_start < 0:
            raise BadConfiguration(f"{self}: panic is between 0 and 1, and slow_start not negative")


BALANCING = Balancing()
"""What a client does unless it is told otherwise."""
