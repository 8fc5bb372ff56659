"""What gRPC needs to live through a fork.

Measured with grpcio 1.85, as it comes from PyPI. Its core is prepared for forks, if no thread is in it at that moment;
else the child hangs or crashes in its first call. Its Python part leaves its own threads in there, unless
GRPC_ENABLE_FORK_SUPPORT=1; and grpc.aio always has one there. So sync clients switch the Python part on, use no
grpc.aio, and have forks wait for calls under way (`client.background`) and for gRPC's own threads. Then new channels
work in the child, and those of the parent go on. Calls do not get slower by it; a fork takes up to 0.7 s while
connections are open, because gRPC's threads look five times a second whether there is one.

gRPC does wait for its own threads, but for those alone that it counts when the fork begins. There are others: those of
a channel that is opened after that, and those that the last fork held up and that have not come round since. They count
themselves again when they do, look no more, and go on into the core for up to a second (`block_if_fork_in_progress` in
grpc's fork.pyx.pxi). The core then says "Other threads are currently calling into gRPC, skipping fork() handlers".
"""

from __future__ import annotations

import os
import sys
from threading import Condition
from types import FrameType
from typing import Any

from grpc._cython import cygrpc

from muster.client.background import disturbed, fork_only_when
from muster.model.errors import BadConfiguration

VARIABLE = "GRPC_ENABLE_FORK_SUPPORT"

_used = False
_obstacle = ""


def prepare() -> None:
    """Have gRPC's threads step aside when a fork comes, unless the environment says otherwise.

    Has no effect on channels that are open already.
    """
    if VARIABLE not in os.environ:
        # The variable is read when grpc is imported; stubs import it, mostly before muster.
        setattr(cygrpc, f"_{VARIABLE}", True)


def using() -> None:
    """Whoever is about to open a channel says so. Raises BadConfiguration in a child in which gRPC cannot work."""
    global _used
    if _obstacle:
        raise BadConfiguration(_obstacle)
    _used = True


def _is_still() -> bool:
    """Whether no thread is in gRPC's core, and none of gRPC's own is about to go there.

    Whoever is in there has been called by a module of grpc's, whose frame is its innermost in Python. Threads that gRPC
    holds up, and callers that wait for what those will tell them, are in `threading`.
    """
    if not cygrpc.is_fork_support_enabled():
        return True
    _hold_up()
    return not any(_is_of_grpc(frame) or _is_let_go(frame) for frame in sys._current_frames().values())


def _hold_up() -> None:
    """Have gRPC's threads stop when they next look. It does so itself, but where its first channel was opened when the
    fork had begun; and it ends this too, after the fork."""
    state = cygrpc._fork_state
    if state.fork_handler_registered and not state.fork_in_progress:
        with state.fork_in_progress_condition:
            state.fork_in_progress = True


def _is_of_grpc(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("grpc.")


def _is_let_go(frame: FrameType) -> bool:
    """Whether it is a thread that the last fork has held up, and that has been told to go on, but had no time yet."""
    if frame.f_code is not Condition.wait.__code__:
        return False
    held_up: Any = cygrpc._fork_state.fork_in_progress_condition
    return frame.f_locals["self"] is held_up and frame.f_locals.get("waiter") not in held_up._waiters


def _after_fork_in_child() -> None:
    global _used, _obstacle
    if _used and not cygrpc.is_fork_support_enabled():
        _obstacle = (
            f"this process was forked from one that used gRPC with {VARIABLE} switched off, so gRPC does not work "
            "here: leave it on, open the client after the fork only, or start processes by spawn"
        )
    elif _used and disturbed():
        _obstacle = (
            "this process was forked while another thread was in a gRPC call, so gRPC does not work here: fork when "
            "no call is under way, or start processes by spawn"
        )
    _used = False


fork_only_when(_is_still)
os.register_at_fork(after_in_child=_after_fork_in_child)
