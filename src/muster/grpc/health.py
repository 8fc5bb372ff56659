"""The standard health service of gRPC, answering from the health of a run.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md. grpcio's own servicer keeps a status for each name;
ours are all functions of one report, so that no two of them can contradict each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from muster.serve.health import Answer, HealthState

SERVICE = "grpc.health.v1.Health"
READINESS = "muster-readiness"
"""Trailing metadata of Check: why the answer is what it is, where there is something to say."""

_MOST = 500
"""Characters of a reason: metadata shares 8 KiB with everything else that a client is sent."""


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Check and Watch."""

    def __init__(self, health: HealthState) -> None:
        self._health = health

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """NOT_FOUND for a name that this instance does not answer to."""
        answer = self._health.answer(request.service)
        if why := self._health.readiness.why:
            context.set_trailing_metadata(((READINESS, _printable(why)),))
        if answer is Answer.UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} here")
        return _response(answer)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """The answer, and each other one that follows; UNAVAILABLE when the server closes.

        Watchers would else keep a server open for its whole grace.
        """
        last: Answer | None = None
        async with aclosing(aiter(self._health.reports)) as reports:
            async for report in reports:
                if report.over:
                    break
                answer = self._health.answer(request.service)
                if answer is not last:
                    last = answer
                    yield _response(answer)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is closing")


def _response(answer: Answer) -> Any:
    return health_pb2.HealthCheckResponse(status=answer.value)


def _printable(text: str) -> str:
    """Metadata takes printable ASCII only (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:_MOST]
