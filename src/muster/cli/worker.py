"""`python -m muster.cli.worker`: one of the processes of `muster run --workers`. Started by it alone."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable

from muster.cli.loading import load
from muster.cli.logs import tell_more, to_stderr
from muster.cli.misuse import Misuse
from muster.cli.status import FAILED, MISUSED
from muster.cli.tracebacks import in_short, own_traceback
from muster.model.errors import MusterError
from muster.serve.workers.channel import Channel
from muster.serve.workers.messages import Failed


def command_of(target: str) -> tuple[str, ...]:
    """What starts a worker; its place and its end of the channel are added. It logs as this process does."""
    level = logging.getLevelName(logging.getLogger("muster").level)
    # -P: a file of the current directory must not stand in for a library.
    return sys.executable, "-P", "-m", "muster.cli.worker", target, level.lower()


def main(target: str, level: str, place: str, descriptor: str) -> int:
    """Returns the exit status. What ends it before its time is told to the parent."""
    from muster.app.worker import end_with_parent, run_worker

    os.set_inheritable(int(descriptor), False)
    end = socket.socket(fileno=int(descriptor))
    end_with_parent(end)
    to_stderr(level)
    tell_more()
    channel = Channel(end)
    return _told(channel, lambda: run_worker(load(target), int(place), channel))


def _told(channel: Channel, work: Callable[[], None]) -> int:
    try:
        work()
    except (MusterError, Misuse) as error:
        failed = Failed(str(error), MISUSED if isinstance(error, Misuse) else FAILED)
    except Exception as error:
        sys.stderr.write(own_traceback(error))
        failed = Failed(in_short(error), FAILED)
    else:
        return 0
    channel.send(failed)
    return failed.status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
