"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

    @pytest.fixture(params=[("asyncio", {"loop_factory": VirtualTimeLoop})])
    def anyio_backend(request): return request.param

An hour of heartbeats takes milliseconds, and a test that would hang fails at once. For logic only: a test that uses
sockets, threads or child processes needs a real loop, since time must pass for those.
"""

from __future__ import annotations

import asyncio
import selectors


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`loop.time()` starts at 0 and moves only when every task waits for a timer."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class _Jump(selectors.DefaultSelector):
    """A selector that lets its loop's clock jump over every wait."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits, and no timer is set: the test would hang for ever")
        if not ready and timeout:
            # Past the timer, not just up to it: the loop compares with a resolution of its own.
            self._loop.advance(timeout + 1e-9)
        return ready
