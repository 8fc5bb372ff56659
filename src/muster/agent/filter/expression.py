"""What a filter's text means, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class BadFilter(ValueError):
    """A text that is no filter, or none for such data. The message is Consul's."""


class Operator(Enum):
    """How a match compares. The values are the names in error texts; `contains` is IN with the sides changed."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


@dataclass(frozen=True, slots=True)
class Match:
    """One comparison. `value` is as it was written, without quotes; None for the operators that take none."""

    selector: tuple[str, ...]
    operator: Operator
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Or:
    left: Expression
    right: Expression


Expression = Match | Not | And | Or
