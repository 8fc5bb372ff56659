"""One event loop a process, on a thread of its own, for programs that have none.

What is written for one event loop (hubs, pools, pickers, budgets, calls) knows nothing of threads, and is not written
twice. One lock makes it safe for them: the loop's thread has it whenever it runs anything, and gives it up only while
it waits for I/O; a thread that has it stands where the loop's thread stood, and may do whatever a callback of the loop
may do. So a pick in sync code is the pick of async code, under one short lock.

A fork copies the thread that forks and no other. Before it, the lock is taken, so that nothing is half done; after it,
the parent goes on, and the child abandons its copy: it closes nothing, for the sockets are the parent's too, and starts
a loop of its own when it first needs one.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import threading
import time
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from muster.client.entered import Loop, Standing

A = TypeVar("A")
T = TypeVar("T")

ENTER, LEAVE = 1, -1
"""What a thread is about to do, or has done, with regard to gRPC: no fork must happen in between."""

log = logging.getLogger("muster.background")

PATIENCE = 2.0
"""Seconds that a fork waits for calls under way, and for gRPC's own threads: most calls take milliseconds, and new ones
wait meanwhile; a thread of gRPC's looks for forks once a second."""

TICK = 0.005
"""Seconds after which a fork looks again whether all is still."""


class Background:
    """A running loop. `inside` is a context manager: within it, the calling thread may use what belongs to the loop.

    Never block within `inside`, nor call what a user wrote: `after` is for that. `do` is for hot paths: it costs
    0.4 µs, and `inside` 0.8. Made by `background()`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._selector = Standing(self._lock)
        self._loop = Loop(self._selector)
        self._thread = threading.Thread(target=self._run, name="muster", daemon=True)
        self._undisturbed = threading.Condition(self._lock)
        self._forking = False
        self._occupied = 0
        self.inside = _Inside(self._lock, self._loop)
        self.opened: set[Opened[Any]] = set()
        self.abandoned = False
        self._thread.start()

    def open(self, manager: AbstractAsyncContextManager[T]) -> Opened[T]:
        """Enter `manager` on the loop, in a task that lasts until `Opened.close`. Raises what entering raises."""
        return Opened(self, manager)

    def must_not_wait_here(self) -> None:
        """Raises RuntimeError in a thread that would wait for the loop for ever."""
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("an observer is called within the loop that sync clients wait for: it cannot use them")
        if self.abandoned:
            raise RuntimeError("this was begun before the fork that made this process: begin it anew")

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine on the loop, and do not wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` on the loop's thread, soon. May be called from any thread, inside or not."""
        self._loop.call_soon_threadsafe(callback, *args)

    def do(self, action: Callable[[A], T], argument: A, move: int = 0) -> T:
        """`action(argument)`, inside. It must not ask for what is to be done `after`.

        `move`: ENTER for a thread that goes into gRPC thereafter, for which it waits while a fork is under way (so not
        within `inside`), and LEAVE for one that has come out.
        """
        with self._lock:
            if move:
                if self._forking:
                    self._mind_the_fork(move)
                self._occupied += move
            outside = _get_running_loop()
            _set_running_loop(self._loop)
            try:
                return action(argument)
            finally:
                _set_running_loop(outside)

    async def aside(self, work: Callable[[], object]) -> None:
        """Have `work` done by a thread of its own, and wait for it. `work` must not raise.

        asyncio.to_thread has a few threads only, and would wait while those block for as long as they like.
        """
        done = self._loop.create_future()

        def do() -> None:
            work()
            self.call(done.cancel)

        threading.Thread(target=do, name="muster aside", daemon=True).start()
        await asyncio.wait([done])

    def after(self, work: Callable[[], object]) -> None:
        """For who is inside: have `work` done by the thread that stepped in once it has stepped out.

        The loop's own thread never steps out: what it leaves behind is done by another.
        """
        if threading.current_thread() is self._thread:
            threading.Thread(target=work, name="muster work", daemon=True).start()
        else:
            self.inside.left_to_do += (work,)

    def enter(self) -> None:
        """As ENTER."""
        self.do(_nothing, None, ENTER)

    def leave(self) -> None:
        """As LEAVE. May be called within `inside`."""
        self.do(_nothing, None, LEAVE)

    def _mind_the_fork(self, move: int) -> None:
        """Who goes in waits for the end of the fork, which waits for those who are in to come out."""
        if move == ENTER:
            self._undisturbed.wait_for(lambda: not self._forking, PATIENCE)
        elif self._occupied == 1:
            self._undisturbed.notify_all()

    def pause(self) -> bool:
        """Before a fork: keep the loop and everybody else out, and wait until nobody is in gRPC, but not for long.

        False where somebody still is. `resume` or `abandon` must follow. While it waits, it lets those inside who have
        to come to an end.
        """
        self._lock.acquire()
        self._forking = True
        end = time.monotonic() + PATIENCE
        while not (undisturbed := self._is_undisturbed()) and time.monotonic() < end:
            self._undisturbed.wait(TICK)
        return undisturbed

    def _is_undisturbed(self) -> bool:
        return not self._occupied and (_still is None or _still())

    def resume(self) -> None:
        """After a fork, in the parent."""
        self._forking = False
        self._undisturbed.notify_all()
        self._lock.release()

    def abandon(self) -> None:
        """After a fork, in the child, where this loop has no thread any more."""
        self.abandoned = True
        self._selector.abandon()
        self._forking = False
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock.release()

    def _run(self) -> None:
        self._loop.owner = threading.get_ident()
        with self._lock:
            self._loop.run_forever()


class _Inside:
    """Having the lock, with the loop as the thread's running loop. May be nested."""

    def __init__(self, lock: threading.RLock, loop: Loop) -> None:
        self.left_to_do: tuple[Callable[[], object], ...] = ()
        self._lock = lock
        self._loop = loop
        self._outside: list[asyncio.AbstractEventLoop | None] = []

    def __enter__(self) -> None:
        self._lock.acquire()
        self._outside.append(_get_running_loop())
        _set_running_loop(self._loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_running_loop(self._outside.pop())
        left_to_do: tuple[Callable[[], object], ...] = ()
        if self.left_to_do and not self._outside:
            left_to_do, self.left_to_do = self.left_to_do, ()
        self._lock.release()
        for work in left_to_do:
            work()


class Opened(Generic[T]):
    """A context manager that was entered on the loop: `value` is what entering gave. `close` leaves it, and waits."""

    def __init__(self, background: Background, manager: AbstractAsyncContextManager[T]) -> None:
        self.background = background
        self._running: set[Future[Any]] = set()
        self._ending = threading.Lock()
        self._ended_for_good = False
        self._closing = asyncio.Event()
        self._entered: Future[T] = Future()
        self._ended = background.start(self._keep(manager))
        self.value = self._entered.result()

    def run(self, work: Coroutine[Any, Any, A]) -> A:
        """Run `work` on the loop, and wait for its result. Closing cancels it, which raises RuntimeError."""
        try:
            self.background.must_not_wait_here()
        except RuntimeError:
            work.close()
            raise
        running = self._begin(work)
        try:
            return running.result()
        except CancelledError:
            raise RuntimeError("the client was closed meanwhile") from None
        finally:
            running.cancel()
            self._running.discard(running)

    def _begin(self, work: Coroutine[Any, Any, A]) -> Future[A]:
        """In one step with looking whether it is closed: what begins after `close` has looked would wait for ever."""
        with self._ending:
            if self._ended_for_good:
                work.close()
                raise RuntimeError("the client was closed meanwhile")
            running = self.background.start(work)
            self._running.add(running)
        return running

    def close(self) -> None:
        """Raises what leaving raises. In a forked child it does nothing: there, nothing of this is open."""
        if self.background.abandoned:
            return
        with self._ending:
            self._ended_for_good = True
            running = tuple(self._running)
        for work in running:
            work.cancel()
        self.background.call(self._closing.set)
        self._ended.result()

    async def _keep(self, manager: AbstractAsyncContextManager[T]) -> None:
        self.background.opened.add(self)  # asyncio itself keeps no task alive
        try:
            async with manager as value:
                self._entered.set_result(value)
                await self._closing.wait()
        except BaseException as error:
            if self._entered.done():
                if not self._closing.is_set():
                    log.exception("%r has ended by itself", manager)
                raise
            self._entered.set_exception(error)
        finally:
            self.background.opened.discard(self)


def _nothing(_: object) -> None:
    pass


_starting = threading.RLock()
_running: Background | None = None
_undisturbed = True
_still: Callable[[], bool] | None = None


def background() -> Background:
    """The one of this process, started when it is first asked for."""
    global _running
    with _starting:
        if _running is None:
            _running = Background()
        return _running


def starting() -> threading.RLock:
    """The lock for whoever starts or stops something of a process. No fork happens while it is held. Ask each time."""
    return _starting


def fork_only_when(still: Callable[[], bool]) -> None:
    """Have forks wait for `still` too. It is asked inside, again and again, and must not block."""
    global _still
    _still = still


def disturbed() -> bool:
    """Whether the fork that made this process happened while another thread of its parent was in gRPC."""
    return not _undisturbed


def _before_fork() -> None:
    global _undisturbed
    _starting.acquire()
    _undisturbed = _running is None or _running.pause()


def _after_fork_in_parent() -> None:
    global _undisturbed
    _undisturbed = True
    if _running is not None:
        _running.resume()
    _starting.release()


def _after_fork_in_child() -> None:
    global _running, _starting
    if _running is not None:
        _running.abandon()
        # A reference that nobody gives up, so that also the end of the interpreter closes nothing of it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_running))
        _running = None
    _starting = threading.RLock()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
