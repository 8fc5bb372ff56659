"""hypercorn's worker processes are told to stop by no signal but by an event, which they look at ten times a second
(hypercorn 0.18, `check_multiprocess_shutdown_event`). They close their port as soon as they see it set; and once one
of them has ended, their parent ends the others by SIGTERM, whatever they have in flight."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def event_interposed(told: Callable[[], object]) -> Iterator[None]:
    """Within it, `told` is called each time that hypercorn finds the event set, and hypercorn finds that it is not.

    From then on SIGTERM does nothing once the event is set. In another process than a worker of hypercorn's nothing of
    all this is done. For the main thread, and outside of `interposed`.
    """
    event = _event()
    if event is None:
        yield
        return
    is_set = event.is_set

    def end(number: int, frame: object) -> None:
        if not is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def seen() -> bool:
        if is_set():
            told()
        return False

    signal.signal(signal.SIGTERM, end)
    event.is_set = seen
    try:
        yield
    finally:
        event.is_set = is_set


def _event() -> Any:
    """What the process was started with, which multiprocessing keeps."""
    if "hypercorn" not in sys.modules:
        return None
    return getattr(multiprocessing.current_process(), "_kwargs", {}).get("shutdown_event")
