"""What gRPC needs to live through a fork.

Measured with grpcio 1.85, as it comes from PyPI. Its core is prepared for forks, if no thread is in it at that moment;
else the child hangs or crashes in its first call. Its Python part leaves its own threads in there, unless
GRPC_ENABLE_FORK_SUPPORT=1; and grpc.aio always has one there. So sync clients switch the Python part on, use no
grpc.aio, and have forks wait for calls under way (`client.background`). Then new channels work in the child, and those
of the parent go on. Calls do not get slower by it; a fork takes up to 0.7 s while connections are open, because gRPC's
threads look five times a second whether there is one.
"""

from __future__ import annotations

import os

from grpc._cython import cygrpc

from muster.client.background import disturbed
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


os.register_at_fork(after_in_child=_after_fork_in_child)
