"""The `muster` command.

app.py         the commands, and what holds for all of them
status.py      from an error to a line on standard error and an exit status
running.py     running a coroutine, and until a signal
output.py      tables for people, JSON for programs
options.py     options that several commands share
demo/          `muster demo`
doctor/        `muster doctor`
new/           `muster new`
operating.py   `muster drain` and `muster weight`
worker.py      one process of `muster run --workers`
changes.py     Python files that change while `muster run --reload` runs
announcing.py  the line that says where a service is reached
agent.py, run.py, register.py, services.py, instances.py, watch.py, call.py, gateway.py: one command each

Commands import what they need when they run, so that `muster --help` and `muster agent` answer at once.
"""

from __future__ import annotations


def main() -> None:
    """The entry point: runs the command line in sys.argv and exits with its status."""
    import sys

    from muster.cli.status import exit_status

    sys.exit(exit_status(sys.argv[1:]))
