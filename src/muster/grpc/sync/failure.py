"""How a call has ended where no call of gRPC tells it: a status, and the error that a caller gets."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import grpc

from muster.grpc.attempting import LOCALLY_CANCELLED


class Status:
    """A status alone, in the shape of a call that is over."""

    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def debug_error_string(self) -> str:
        return self._details

    def initial_metadata(self) -> tuple[Any, ...]:
        return ()

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ()


OK = Status(grpc.StatusCode.OK)
CANCELLED = Status(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)


class Failure(grpc.RpcError, grpc.Call, grpc.Future):  # type: ignore[misc]
    """How a call ended. It can be asked like a call that is over, as the errors of grpc's own sync calls can:
    interceptors pass them on as the outcome of a call."""

    def __init__(self, status: Any) -> None:
        """`status`: a Status, or an AioRpcError, whose cause becomes this one's."""
        super().__init__(status.details())
        self._status = status
        self.__cause__ = getattr(status, "__cause__", None)

    def code(self) -> grpc.StatusCode:
        code: grpc.StatusCode = self._status.code()
        return code

    def details(self) -> str:
        return self._status.details() or ""

    def debug_error_string(self) -> str:
        return self._status.debug_error_string() or ""

    def initial_metadata(self) -> tuple[Any, ...]:
        return tuple(self._status.initial_metadata() or ())

    def trailing_metadata(self) -> tuple[Any, ...]:
        return tuple(self._status.trailing_metadata() or ())

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> Any:
        return None

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def running(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> Any:
        raise self

    def exception(self, timeout: float | None = None) -> Failure:
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        traceback: TracebackType | None = self.__traceback__
        return traceback

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        fn(self)

    def __str__(self) -> str:
        return f"{self.code().name}: {self.details()}"
