"""The agent's log as a stream, for whoever asks for it, at a level of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_LOGGER = logging.getLogger("muster.agent")
_KEPT = 512
"""Lines that wait for a client that does not read as fast as they come; as in Consul, further ones are dropped."""

LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERR": 40, "ERROR": 40}
"""What clients may ask for, and what that is in Python's numbers."""

_NAMES = ((40, "ERROR"), (30, "WARN"), (20, "INFO"), (10, "DEBUG"), (0, "TRACE"))


class Monitor(logging.Handler):
    """The lines for one client, the oldest first. Records come from any thread, `next` is called on `loop`."""

    def __init__(self, level: int, loop: asyncio.AbstractEventLoop, *, as_json: bool) -> None:
        super().__init__(level)
        self._loop = loop
        self._write = _json_line if as_json else _text_line
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._ended = False
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        line = self._write(record)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, line)

    def end(self) -> None:
        """There is nothing more to come. Belongs on the loop."""
        self._ended = True
        self._news.set()

    async def next(self) -> bytes:
        """All lines that came since the last call; waits for one. Empty at the end."""
        while not self._lines and not self._ended:
            self._news.clear()
            await self._news.wait()
        lines = b"".join(self._lines)
        self._lines.clear()
        if self._dropped:
            lines += self._write(_told(f"Dropped logs during monitor request: dropped_count={self._dropped}"))
            self._dropped = 0
        return lines

    def _add(self, line: bytes) -> None:
        if len(self._lines) < _KEPT:
            self._lines.append(line)
            self._news.set()
        else:
            self._dropped += 1


class Monitors:
    """The open streams of one agent."""

    def __init__(self) -> None:
        self._open: set[Monitor] = set()
        self._closed = False

    @contextmanager
    def open(self, level: int, *, as_json: bool) -> Iterator[Monitor]:
        """A stream of what is logged while this lasts, on the running loop."""
        monitor = Monitor(level, asyncio.get_running_loop(), as_json=as_json)
        self._open.add(monitor)
        if self._closed:
            monitor.end()
        with _tapped(monitor):
            try:
                yield monitor
            finally:
                self._open.discard(monitor)

    def close(self) -> None:
        """End all streams, and those that are opened from now on at once."""
        self._closed = True
        for monitor in self._open:
            monitor.end()


class _PassOn(logging.Handler):
    """Stands where records were passed on to the logger above, and passes on those that came that far before."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.before = level

    def emit(self, record: logging.LogRecord) -> None:
        above = _LOGGER.parent
        assert above is not None, "only the root has none"
        if record.levelno >= (self.before or above.getEffectiveLevel()):
            above.handle(record)


_taps: list[Monitor] = []
_pass_on: list[_PassOn] = []
"""What hangs on the logger, which all agents of a process share; the second is empty or has one."""


@contextmanager
def _tapped(monitor: Monitor) -> Iterator[None]:
    """Have the agent's log told to a monitor as well, with what is below the level that the process has chosen; others
    hear what they heard before."""
    _taps.append(monitor)
    _LOGGER.addHandler(monitor)
    _settle()
    try:
        yield
    finally:
        _taps.remove(monitor)
        _LOGGER.removeHandler(monitor)
        _settle()


def _settle() -> None:
    """Set the logger as the present monitors need it, or back to what it was."""
    if _taps and not _pass_on:
        _pass_on.append(_PassOn(_LOGGER.level))
        _LOGGER.addHandler(_pass_on[0])
        _LOGGER.propagate = False
    if _taps:
        _LOGGER.setLevel(min(monitor.level for monitor in _taps))
    elif _pass_on:
        before = _pass_on.pop()
        _LOGGER.removeHandler(before)
        _LOGGER.setLevel(before.before)
        _LOGGER.propagate = True


def _told(message: str) -> logging.LogRecord:
    return logging.LogRecord(_LOGGER.name, logging.WARNING, "", 0, message, None, None)


def _text_line(record: logging.LogRecord) -> bytes:
    level = f"[{_level(record)}]"
    return f"{_time(record, 'milliseconds')} {level:<7} {_module(record)}: {_message(record)}\n".encode()


def _json_line(record: logging.LogRecord) -> bytes:
    line = {
        "@level": _level(record).lower(),
        "@message": _message(record),
        "@module": _module(record),
        "@timestamp": _time(record, "microseconds"),
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _level(record: logging.LogRecord) -> str:
    return next(name for number, name in _NAMES if record.levelno >= number)


def _module(record: logging.LogRecord) -> str:
    return record.name.removeprefix("muster.")


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    return message


def _time(record: logging.LogRecord, precision: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
