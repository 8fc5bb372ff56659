"""How often, when and which calls are tried again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from types import NoneType

from muster.call.hedge import Hedging
from muster.model.backoff import Backoff
from muster.model.errors import BadConfiguration
from muster.model.typed import check_types, expect


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Numbers that belong together.

    `attempts`: attempts of one idempotent call, the first included. `codes`: gRPC status names worth another attempt:
    UNAVAILABLE as in gRPC itself, and CANCELLED by the server, which is how a stopping grpc.aio server answers what
    it no longer serves. `resends`: how often one call may be sent again because it was certainly not processed,
    idempotent or not; this costs the servers nothing and is not charged to the budget.
    `attempt_timeout`: seconds for an attempt of an idempotent call after which another instance is tried; None: each
    attempt has all the time that is left, so that an instance that hangs costs the whole call. The last attempt always
    has all that is left, and so have calls that answer with a stream.
    `hedging`: when an idempotent call is sent a second time because its answer is late; None: never.
    `initial`, `factor`, `maximum`: the pause before the second and later retries, in seconds, exponential with full
    jitter. The first retry goes at once, to another instance.
    """

    attempts: int = 3
    codes: frozenset[str] = frozenset({"UNAVAILABLE", "CANCELLED"})
    resends: int = 10
    initial: float = 0.05
    factor: float = 2.0
    maximum: float = 1.0
    attempt_timeout: float | None = None
    hedging: Hedging | None = None

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        expect("RetryPolicy(hedging=", self.hedging, (Hedging, NoneType), "a Hedging, or None")
        expect("RetryPolicy(codes=", self.codes, frozenset, "a frozenset of gRPC status names")
        if self.attempts < 1 or self.resends < 0 or self.initial < 0 or self.factor < 1 or self.maximum < 0:
            raise BadConfiguration(f"{self}: attempts and factor are at least 1, and nothing is negative")
        if self.attempt_timeout is not None and self.attempt_timeout <= 0:
            raise BadConfiguration(f"attempt_timeout={self.attempt_timeout}: must be above 0, or None for no limit")

    def pause(self, retry: int, rng: Random) -> float:
        """Seconds before the `retry`-th retry, counted from 1."""
        return Backoff(self.initial, self.maximum, self.factor).pause(retry, rng)


RETRIES = RetryPolicy()
"""What a client does unless it is told otherwise."""

NO_RETRIES = RetryPolicy(attempts=1, resends=0)
"""Neither kind: where a mesh retries already."""


class Idempotent:
    """The methods that may be processed twice: `/pkg.Say/Hello`, those of a service with `/pkg.Say/*`, or all: `*`."""

    def __init__(self, methods: Iterable[str] = ()) -> None:
        """Raises BadConfiguration for what can never match, such as `Say.Hello`."""
        if isinstance(methods, str):
            raise BadConfiguration(f"idempotent={methods!r}: expected a set of methods, as in {{{methods!r}}}")
        patterns = frozenset(methods)
        for pattern in patterns:
            _check(pattern)
        self._exact = patterns
        self._prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))

    def __contains__(self, method: str) -> bool:
        return method in self._exact or method.startswith(self._prefixes)


_PATTERN = re.compile(r"\*|/[^/*]+/([^/*]+|\*)")


def _check(pattern: str) -> None:
    if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern):
        raise BadConfiguration(f"idempotent method {pattern!r}: write /package.Service/Method, /package.Service/* or *")
