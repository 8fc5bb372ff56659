"""Whose turn it is to get a connection. Pure."""

from __future__ import annotations

from muster.serve.workers.table import LOOK, Phase, Table, Worker

SLACK = 3.0
"""Seconds without a sign of life after which a worker gets no connections while there is another."""


def in_turn(table: Table, last: int) -> list[Worker]:
    """Who may get the next connection, the one whose turn it is first: after the worker with the number `last`.

    Those that serve and are well; where there is none, those that serve, who can say at least why they are not; and
    while all of them stop, those that leave.
    """
    open_ = [each for each in table.workers if not each.closed]
    serving = [each for each in open_ if each.phase is Phase.SERVING]
    lively = [each for each in serving if each.silent * LOOK < SLACK]
    leaving = [each for each in open_ if each.phase is Phase.LEAVING and table.stopping]
    able = [each for each in lively if each.ready] or lively or serving or leaving
    return sorted(able, key=lambda each: (each.number <= last, each.number))
