"""Whether settings hold what their annotations say: dataclasses do not look."""

from __future__ import annotations

from dataclasses import fields
from math import isnan
from typing import Any

from muster.model.errors import BadConfiguration

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "True or False"),
    "str": ((str,), "a text"),
}


def check_types(settings: Any) -> None:
    """For the `__post_init__` of a dataclass: raises BadConfiguration for a field annotated int, float, bool or str, or
    one of them or None, that holds anything else, and for a NaN. Other fields are not looked at."""
    for field in fields(settings):
        check(f"{type(settings).__name__}({field.name}=", getattr(settings, field.name), str(field.type))


def check(where: str, value: object, annotation: str) -> None:
    """As `check_types`, for one value. `where`: what is written before it."""
    kinds = [name for name in annotation.split(" | ") if name != "None"]
    if kinds[0] not in _KINDS or len(kinds) > 1 or (value is None and "None" in annotation):
        return
    types, wanted = _KINDS[kinds[0]]
    right = isinstance(value, types) and isinstance(value, bool) is (kinds[0] == "bool")
    if not right or (isinstance(value, float) and isnan(value)):
        or_none = ", or None" if "None" in annotation else ""
        raise BadConfiguration(f"{where}{value!r}): expected {wanted}{or_none}")


def expect(where: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    """Raises BadConfiguration for a value that is not of a kind. `where` as for `check`; `wanted`: what would be."""
    if not isinstance(value, kind):
        raise BadConfiguration(f"{where}{value!r}): expected {wanted}")
