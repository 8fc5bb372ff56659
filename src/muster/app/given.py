"""What a service is told, looked at where it is told: an error that comes with its start, or from within, names no
cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import NoneType

from muster.model.errors import Rejected
from muster.model.typed import check, expect
from muster.registry.protocol import Discovery, Registrar
from muster.serve.settings import TLS, Limits, Second, Timing

_TYPES: Mapping[str, str] = {
    "name": "str",
    "host": "str",
    "port": "int",
    "advertise": "str | None",
    "register": "str | None",
    "listen": "str | None",
    "health": "str",
}
"""Of the rest of what says who an instance is, a Registration finds out what is wrong."""

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "registry": ((str, Registrar, Discovery, NoneType), "a URL, an open registry that can be written, or None"),
    "protocols": ((Iterable, NoneType), "'grpc', 'http' or both, the service's own first"),
    "second": ((Second, NoneType), "a muster.Second, or None"),
    "tags": (Iterable, "several texts, as in ['blue', 'canary']"),
    "metadata": ((Mapping, NoneType), "a mapping of texts to texts, as in {'team': 'shop'}"),
    "tls": ((TLS, NoneType), "a muster.TLS, or None"),
    "limits": ((Limits, NoneType), "a muster.Limits, or None"),
    "timing": ((Timing, NoneType), "a muster.Timing, or None"),
    "interceptors": (Iterable, "several, as in [interceptor]"),
    "observe": ((Callable, NoneType), "a function that takes an event, or None"),  # type: ignore[dict-item]
    "app": (Callable, "an ASGI application, as in FastAPI()"),  # type: ignore[dict-item]
}


def check_given(where: str, given: Mapping[str, object]) -> None:
    """Raises BadConfiguration for arguments of `where` that cannot be used: it says what was given, and what would do.

    Others than those of the tables above are not looked at.
    """
    for name, value in given.items():
        if name in _TYPES:
            check(f"{where}({name}=", value, _TYPES[name])
        elif name in _KINDS:
            expect(f"{where}({name}=", value, *_KINDS[name])


def check_known(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError for an argument of `where` that it does not have, as Python does."""
    if unknown := sorted(set(given).difference(known)):
        raise TypeError(f"{where}() got an unexpected keyword argument {unknown[0]!r}")


def several(tags: Iterable[str]) -> tuple[str, ...]:
    """Raises Rejected for a single text, whose letters would be tags."""
    if isinstance(tags, str):
        raise Rejected(f"tags={tags!r}: expected several, as in [{tags!r}]")
    return tuple(tags)
