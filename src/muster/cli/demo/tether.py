"""How children end with the demo, whatever ends it.

The parent holds the other end of a child's standard input and never writes. When the parent has gone, even by SIGKILL,
the system closes it. (PR_SET_PDEATHSIG is Linux only, and fires when the thread ends that started the child.)
"""

from __future__ import annotations

import os
import signal
import threading
import time

GRACE = 8.0
"""Seconds between SIGTERM and the end: longer than a service's own stop, which also leaves the registry."""


def tether() -> None:
    """End this process, by SIGTERM first, when its standard input ends."""
    threading.Thread(target=_wait, name="tether", daemon=True).start()


def _wait() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    # python -m muster.cli.demo.tether agent --http 127.0.0.1:0
    from muster.cli import main

    tether()
    main()
