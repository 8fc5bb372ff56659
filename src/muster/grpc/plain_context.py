"""The context of handlers that are not async, with what grpcio's lacks."""

from __future__ import annotations

from typing import Any, NoReturn


class PlainContext:
    """The context of a handler that is not async, which in grpcio cannot say what code it was given."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._code: Any = None
        self._details: str | None = None

    def set_code(self, code: Any) -> None:
        self._code = code
        self._context.set_code(code)

    def set_details(self, details: str) -> None:
        self._details = details
        self._context.set_details(details)

    def code(self) -> Any:
        return self._code

    def details(self) -> str | None:
        return self._details

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Aborted(Exception):
    """What `abort` raises in a plain stream."""


class PlainStreamContext(PlainContext):
    """That of a plain stream. grpcio's own `abort` sends the status at once, while the last message may still be on
    its way: then the call fails inside of grpcio and the caller waits for ever. This one leaves the status to the end
    of the stream, which comes after its messages."""

    def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        self.set_code(code)
        self.set_details(details)
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        raise Aborted(code, details)

    def abort_with_status(self, status: Any) -> NoReturn:
        self.abort(status.code, status.details, status.trailing_metadata)
