"""The status that grpc.aio makes up when a write fails, and how a call is kept from having it.

A server may answer or refuse a stream while its caller still writes. The write under way then fails, and grpc.aio ends
the call with INTERNAL at once, where the server's status is about to come: it would hide a refusal, and the messages
that nobody has read yet would be lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from muster.grpc.requests import Requests

PROVISIONAL = "Internal error from Core"
"""The details of that status."""


class _Patient:
    """What grpc.aio has underneath a call, but for that status: the server's comes when all replies have been read."""

    def __init__(self, underneath: Any, requests: Requests[Any]) -> None:
        self._underneath = underneath
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._underneath, name)

    def set_internal_error(self, error: str) -> None:
        self._requests.fail()


def patient(call: Any, requests: Requests[Any]) -> Any:
    """The same call of grpc.aio, before it has written any of its requests. They are told when it cannot go on.

    Of a call that goes through interceptors it is the one that they end up with. What is none of grpc.aio's own, or of
    a grpc.aio that has come to look otherwise, stays as it is; `ending.is_doubtful` sees to what that leaves.
    """

    def intercepted(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            patient(task.result(), requests)

    if hasattr(call, "_cython_call"):
        call._cython_call = _Patient(call._cython_call, requests)
    elif hasattr(call, "_interceptors_task"):
        call._interceptors_task.add_done_callback(intercepted)
    elif hasattr(call, "_call"):
        patient(call._call, requests)
    return call
