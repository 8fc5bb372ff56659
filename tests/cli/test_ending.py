"""Threads that go on when all else has ended."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, logging, threading
from muster.cli.ending import end_threads

logging.basicConfig()
atexit.register(print, "python's own end")
threading.Thread(target=threading.Event().wait, args=(SECONDS,), name="busy").start()
end_threads(3, PATIENCE)
"""


def ended(seconds: object, patience: float) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.replace("SECONDS", str(seconds)).replace("PATIENCE", str(patience))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)


def test_a_thread_that_goes_on_is_ended_with_the_process() -> None:
    done = ended(None, 0.05)
    assert (done.returncode, done.stdout) == (3, "")
    assert "ended although they go on: threads busy" in done.stderr


def test_a_thread_that_ends_in_time_is_waited_for() -> None:
    assert (ended(0.05, 30.0).stdout) == "python's own end\n"
