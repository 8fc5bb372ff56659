"""The end of a process that has served: threads that go on are not waited for without end."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

log = logging.getLogger("muster.serve")

PATIENCE = 5.0
"""Seconds for threads to end by themselves once all else has: handlers that are not async, work that handlers hand to
threads. Python waits for them without end, and an orchestrator would have killed the process by then."""


def end_threads(status: int, patience: float = PATIENCE) -> None:
    """Wait for the threads that keep this process from ending. Ends it at once, with `status`, where some go on."""
    end = time.monotonic() + patience
    for thread in _others():
        thread.join(max(0.0, end - time.monotonic()))
    if going_on := _others():
        log.error("ended although they go on: threads %s", ", ".join(sorted(each.name for each in going_on)))
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _others() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
