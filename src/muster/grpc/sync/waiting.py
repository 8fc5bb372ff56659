"""Calls that are made in the calling thread, which waits for the answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from muster.call.deadline import deadline_of, remaining
from muster.grpc.sync.attempts import Here
from muster.grpc.sync.failure import CANCELLED, OK
from muster.grpc.sync.threaded import Threaded
from muster.grpc.sync.work import Direct, Work
from muster.model.outcome import Outcome

_CLOSED = Outcome("CANCELLED")


class Waiting(Threaded):
    """A call whose attempts are all made by the thread that waits for the answer."""

    _raised: BaseException | None = None

    @classmethod
    def begun(cls, work: Work) -> Waiting:
        with work.background.inside:
            return cls(work).begin()

    @classmethod
    def after(cls, work: Direct, error: BaseException) -> Waiting:
        """Go on after a first attempt that was made without it. Raises `error` where the channel is closed by then."""
        deadline = deadline_of(work.terms.timeout, work.began)
        work.terms.timeout = remaining(deadline, time.monotonic())
        with work.background.inside:
            work.background.leave()
            if work.method.closed:
                work.node.end(_CLOSED)
                work.link.release()
                raise error
            call = cls(work)
            call._adopt(work)
            call._fail(error)
            return call

    def answer(self) -> Any:
        """Make the present attempt, and whatever has to follow. Called outside; raises the call's error."""
        while (attempt := self._await_next()) is not None:
            self._background.enter()
            try:
                result = attempt.make()
            except BaseException as error:
                with self._leaving():
                    self._fail(error)
            else:
                with self._leaving():
                    attempt.settle(OK)
                return result
        self._raise_failure()
        assert self._raised is not None, "a call without an error of its own has that of its last attempt"
        raise self._raised

    def _start(self, stub: Any, timeout: float | None) -> Here:
        return Here(self._work, stub, timeout)

    def _adopt(self, work: Direct) -> None:
        self._sent, self._key = work.began, work.key
        self._node, self._link = work.node, work.link
        self._inner = Here(self._work, None, None)
        self._inner.add_done_callback(self._ended)

    def _fail(self, error: BaseException) -> None:
        """Called inside: the present attempt has failed."""
        self._raised = error
        self._inner.settle(error if isinstance(error, Exception) else CANCELLED)

    def _await_next(self) -> Here | None:
        """The attempt to make now; None when the call is over."""
        if not self._settled():
            self._wait_until(self._settled)
        return None if self._over else self._inner

    @contextmanager
    def _leaving(self) -> Iterator[None]:
        with self._background.inside:
            self._background.leave()
            yield
