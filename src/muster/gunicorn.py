"""WSGI applications (Flask, Django) under gunicorn: hooks for gunicorn.conf.py.

    from muster.gunicorn import hooks

    bind = "0.0.0.0:8000"
    workers = 4
    when_ready, on_exit = hooks("orders", health="/healthz")

One registration for all workers, made once the port answers, by a process beside gunicorn's master: the master only
forks. At SIGTERM and SIGINT it leaves the registry first, clients have time to notice, and then gunicorn stops as ever.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Unpack

from muster.app.joining import Options
from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port
from muster.serve.settings import Timing, timing_of

log = logging.getLogger("muster.gunicorn")

MARGIN = 1.0
"""Seconds that the companion may need beyond the stop's own time."""

Hook = Callable[[Any], None]


def hooks(name: str, **options: Unpack[Options]) -> tuple[Hook, Hook]:
    """gunicorn's `when_ready` and `on_exit` that register its port as the service `name`.

    `options` are those of `muster.lifespan`; `registry` is a URL, and `observe` cannot be given. With `health` the
    registry asks that path of the application, else it connects. Raises Rejected for a name or label that no registry
    takes, and BadConfiguration, both while gunicorn reads its configuration.
    """
    from muster.app.companion import line

    if options.keys() & {"observe"} or not isinstance(options.get("registry", ""), str):
        raise BadConfiguration("gunicorn's hooks take a registry's URL, and no observer: another process registers")
    line(name, options)
    limit = timing_of(options.get("timing") or Timing(), os.environ).stop + MARGIN

    def when_ready(server: Any) -> None:
        listen = options.get("listen") or _listen(server)
        _companion.start(line(name, {**options, "listen": listen}), limit)

    def on_exit(server: Any) -> None:
        _companion.leave()

    return when_ready, on_exit


def _listen(server: Any) -> str:
    """The first TCP address that gunicorn listens at. Raises BadConfiguration for a Unix socket."""
    bound = [listener.getsockname() for listener in server.LISTENERS] or server.cfg.address
    for address in bound:
        if not isinstance(address, str | bytes):
            return join_host_port(*address[:2])
    raise BadConfiguration(
        f"gunicorn listens at {bound}, at no TCP port: set listen= to the HOST:PORT that leads there"
    )


class _Companion:
    """The process beside the master, and the signals that it has to know of before. One for a master: its
    configuration may be read again, and names the hooks anew."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}
        self._limit = 0.0
        self._leaving = False

    def start(self, line: str, limit: float) -> None:
        """In the master's main thread, once its own handlers are set."""
        self._limit = limit
        command = [sys.executable, "-m", "muster.app.companion"]
        # A session of its own: Ctrl-C in a terminal is the master's to pass on.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        os.register_at_fork(after_in_child=self._forget)
        self._say(line.encode())
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._signalled)

    def _forget(self) -> None:
        """In a worker: the pipe is the master's alone, so that its end tells the companion of the master's."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    def leave(self) -> None:
        """Returns when the service has left the registry, or cannot; at once if it has left already."""
        process = self._process
        if process is None:
            return
        self._say(b"leave\n")
        self._process = None
        try:
            process.wait(self._limit)
        except subprocess.TimeoutExpired:
            log.warning("%d did not leave the registry within %.1f s", process.pid, self._limit)
            process.kill()
            process.wait()

    def _say(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            log.warning("the process that kept the registration has ended")

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """The first one waits until the service has left; it comes again then. The next one goes through."""
        if self._leaving:
            self._before[number](number, frame)
            return
        self._leaving = True
        threading.Thread(target=self._leave_and_stop, args=(number,), daemon=True).start()

    def _leave_and_stop(self, number: int) -> None:
        self.leave()
        os.kill(os.getpid(), number)


_companion = _Companion()
