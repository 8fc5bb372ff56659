"""From an error to one line on standard error and an exit status.

0 done; 1 it could not be done, also because a URL or an address means nothing; 2 the command line lacks something, or
has what no option takes; 130 Ctrl-C, as shells count it, where it cuts something short. What serves until it is ended
(run, agent, gateway) ends in order at Ctrl-C, which is 0, as with nginx, gunicorn and uvicorn.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from muster.cli.app import app
from muster.cli.misuse import Misuse
from muster.cli.output import CannotWrite, complain
from muster.model.errors import Fault, MusterError, NoInstances

FAILED = 1
MISUSED = 2
INTERRUPTED = 128 + signal.SIGINT


def exit_status(arguments: Sequence[str]) -> int:
    """Runs the command line and tells how it ended. A user's mistake never shows a traceback; our own faults do."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        return FAILED
    except CannotWrite as error:
        complain(f"standard output cannot be written to: {error}")
        _let_go_of_stdout()
        return FAILED
    return status


def _run(arguments: Sequence[str]) -> int:
    try:
        app(list(arguments), prog_name="muster")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Misuse as error:
        complain(str(error))
        return MISUSED
    except MusterError as error:
        complain(advice(error))
        return FAILED
    except BaseExceptionGroup as group:
        return _several(group)
    return 0


def _several(group: BaseExceptionGroup[BaseException]) -> int:
    """What a TaskGroup gathered: told a line each, unless there is a fault of ours among it."""
    told, rest = group.split(MusterError)
    if told is None or rest is not None:
        raise group
    for error in _leaves(told):
        complain(advice(error))
    return FAILED


def _leaves(group: BaseExceptionGroup[MusterError]) -> list[MusterError]:
    found: list[MusterError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def advice(error: MusterError) -> str:
    """What went wrong, and what to do where the error's own text cannot know that there is a command for it."""
    if isinstance(error, NoInstances) and not error.known:
        return f"{error}; 'muster services' lists who is registered"
    if isinstance(error, Fault) and error.code == "DEADLINE_EXCEEDED":
        return f"{error}; --timeout SECONDS gives it longer"
    return str(error)


def _let_go_of_stdout() -> None:
    """Whoever read the output has gone (`muster services | head`): the interpreter must not try to flush it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
