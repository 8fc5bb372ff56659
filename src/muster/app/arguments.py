"""What a client is told, looked at where it is told: an error that comes with the first call names no cause."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

from muster.balance.balancing import Balancing
from muster.call.breaker import Concurrency
from muster.call.retry import Idempotent, RetryPolicy
from muster.grpc.transport import Dialing
from muster.http.client.dialing import Dialing as HTTPDialing
from muster.model.errors import BadConfiguration
from muster.model.typed import check, expect
from muster.registry.protocol import Discovery
from muster.watch.hub import Watching

_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "registry": ((str, Discovery, NoneType), "a URL, an open registry that can be read, or None"),
    "retry": ((RetryPolicy,), "a muster.RetryPolicy"),
    "concurrency": ((Concurrency, NoneType), "a muster.Concurrency, or None"),
    "dialing": ((Dialing, NoneType), "a muster.grpc.transport.Dialing, or None"),
    "http": ((HTTPDialing, NoneType), "a muster.http.client.dialing.Dialing, or None"),
    "balancing": ((Balancing,), "a muster.Balancing"),
    "watching": ((Watching,), "a muster.watch.hub.Watching"),
    "cache_dir": ((str, os.PathLike, NoneType), "the path of a folder, or None"),
}


def check_client(timeout: object, observe: object, **others: Any) -> None:
    """Raises BadConfiguration for what `muster.Client` cannot use: it says what was given, and what would do."""
    check("Client(timeout=", timeout, "float | None")
    if isinstance(timeout, int | float) and timeout <= 0:
        raise BadConfiguration(f"Client(timeout={timeout}): must be above 0, or None for no end")
    if observe is not None and not callable(observe):
        raise BadConfiguration(f"Client(observe={observe!r}): expected a function that takes an event, or None")
    for name, value in others.items():
        expect(f"Client({name}=", value, *_KINDS[name])


def methods(idempotent: Iterable[str]) -> tuple[str, ...]:
    """The methods that are declared idempotent. Raises BadConfiguration for what can be none."""
    if isinstance(idempotent, str) or not isinstance(idempotent, Iterable):
        raise BadConfiguration(
            f"Client(idempotent={idempotent!r}): expected a set of methods, as in {{'/pkg.Say/Hello'}}"
        )
    given = tuple(idempotent)
    Idempotent(given)
    return given
