"""Does what the table of workers wants, and tells it what happened."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random

from muster.serve.workers import table as t
from muster.serve.workers.messages import Closed, Condition, Failed, FromWorker, Go, Message, SignOfLife, ToWorker
from muster.serve.workers.process import Process, spawn
from muster.watch.latest import Latest

log = logging.getLogger("muster.serve")

Heard = Callable[[int, FromWorker], None]
"""Takes what a worker, by its number, tells beyond what is the supervisor's own."""

Gone = Callable[[int, bool], None]
"""Hears of a worker, by its number, that is there no more, and whether it had been asked to end."""

MARGIN = 1.5
"""Seconds beyond its own limits that a worker has before it is killed: its after_stop hooks have a second."""

AT_ONCE = 0.2
"""Seconds for a worker that is restarted because its code has changed: nobody is to wait for a drain then."""


class Supervisor:
    """Runs workers as `rules` say: `command`, with the worker's place and the channel's descriptor added.

    For one event loop, the main thread's. Its owner enters `orphans.reaping` with `child_ended`, and `looking`.
    `table` shows the state of things; `over` is set once it will not change any more; `failure`: what the last worker
    that failed said of it.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], rules: t.Rules, heard: Heard, gone: Gone
    ) -> None:
        self.table = Latest(t.Table(rules))
        self.over = asyncio.Event()
        self.failure: Failed | None = None
        self._command = tuple(command)
        self._environ = dict(environ)
        self._heard = heard
        self._gone = gone
        self._rng = Random()
        self._processes: dict[int, Process] = {}
        self._seconds = rules.grace
        self._next_look: asyncio.TimerHandle | None = None

    def happened(self, event: t.Event) -> None:
        """Something has happened: do what is to be done about it, at once."""
        table, actions = t.step(self.table.value, event, asyncio.get_running_loop().time(), self._rng)
        if table != self.table.value:
            self.table.set(table)
        for action in actions:
            self._do(action)
        if table.over:
            self.over.set()

    def child_ended(self, pid: int, status: int) -> None:
        """Take note of a child's end, whichever it was."""
        number = next((number for number, process in self._processes.items() if process.pid == pid), None)
        if number is None:
            return
        self._processes[number].channel.hear_rest()
        asked = any(each.number == number and each.phase is t.Phase.LEAVING for each in self.table.value.workers)
        level = logging.INFO if asked else logging.WARNING
        log.log(level, "worker %d (pid %d) ended%s: %s", number, pid, "" if asked else " unasked", _how(status))
        self._processes.pop(number).channel.close()
        self._gone(number, asked)
        self.happened(t.Ended(number))

    def tell(self, message: ToWorker) -> None:
        """Tell every worker."""
        for process in self._processes.values():
            process.channel.send(message)

    def answer(self, number: int, message: ToWorker) -> None:
        """Tell one worker, if it is there."""
        if number in self._processes:
            self._processes[number].channel.send(message)

    def hand(self, number: int, message: ToWorker, handed: socket.socket) -> bool:
        """Give a worker a socket, which is closed here. False, and nothing is done, for one that takes nothing now."""
        process = self._processes.get(number)
        if process is None or process.channel.congested:
            return False
        process.channel.send(message, handed)
        return True

    def pass_on(self, number: int) -> None:
        """Send a signal to every worker."""
        for process in self._processes.values():
            process.send_signal(number)

    def grant(self, seconds: float) -> None:
        """From now on workers may take so many seconds to leave; some more until they are killed."""
        table, self._seconds = self.table.value, seconds
        self.table.set(replace(table, rules=replace(table.rules, grace=seconds + MARGIN)))

    def stop(self, seconds: float) -> None:
        """Ask all to leave within so many seconds. `over` is set when they have."""
        self.grant(seconds)
        self.happened(t.Stopping())

    def hurry(self) -> None:
        """The same, in a hurry, whether they have been asked before or not."""
        if not self.table.value.stopping:
            self.stop(AT_ONCE)
        self.happened(t.Stopping())

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Meanwhile it is looked how the workers are; at the end those that are left are killed."""
        self._look_later()
        try:
            yield
        finally:
            if self._next_look is not None:
                self._next_look.cancel()
            for process in self._processes.values():
                process.send_signal(signal.SIGKILL)
                process.channel.close()

    def _look_later(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(t.LOOK, self._look)

    def _look(self) -> None:
        self._look_later()
        self.happened(t.Looked())

    def _do(self, action: t.Action) -> None:
        match action:
            case t.Start(number, place):
                self._start(number, place)
            case t.Leave(number, young=True) if number in self._processes:
                self._processes[number].send_signal(signal.SIGTERM)  # it may not listen to us yet
            case t.Leave(number, alone, at_once):
                self.answer(number, Go(AT_ONCE if at_once else self._seconds, alone))
            case t.Kill(number, why):
                log.error("worker %d is killed: %s", number, why)
                self._processes[number].send_signal(signal.SIGKILL)
            case t.GivenUp():
                log.error("reloading has failed, the workers that serve stay: %s", self._why())

    def _start(self, number: int, place: int) -> None:
        try:
            process = spawn((*self._command, str(place)), self._environ)
        except OSError as error:
            self.failure = Failed(f"no process could be started: {error.strerror}", 1)
            log.error("worker %d: %s", number, self.failure.why)
            asyncio.get_running_loop().call_soon(self.happened, t.Ended(number))
            return
        self._processes[number] = process
        self.failure = None
        log.info("worker %d started (pid %d)", number, process.pid)
        process.channel.listen(lambda message, handed: self._hear(number, message), _nothing)

    def _hear(self, number: int, message: Message) -> None:
        match message:
            case SignOfLife():
                self.happened(t.Alive(number))
            case Closed():
                self.happened(t.Closed(number))
            case Condition():
                self._changed(number, message)
            case Failed():
                self.failure = message
                log.warning("worker %d: %s", number, message.why)
            case _:
                self._heard(number, message)  # type: ignore[arg-type]

    def _changed(self, number: int, condition: Condition) -> None:
        before = self.table.value.serving
        self.happened(t.Told(number, condition.ready, condition.known))
        table, why = self.table.value, condition.why
        if table.serving != before:
            log.info("%d of %d workers serve%s", table.serving, table.rules.wanted, why and f": {why}")

    def _why(self) -> str:
        return self.failure.why if self.failure else "the new one ended before it served"


def _nothing() -> None:
    """That a channel has ended says nothing that the process's end does not say."""


def _how(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    return f"killed by {signal.Signals(-status).name}" if -status in _NAMED else f"killed by signal {-status}"


_NAMED = {int(each) for each in signal.Signals}
