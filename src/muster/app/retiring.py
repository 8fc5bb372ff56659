"""The end of a worker that is replaced: one that has had its number of requests (--max-requests), or is reloaded.

uvicorn ends such a worker at once, and resets connections that it has accepted and not read from yet (0.54): of workers
that end after 50 requests each under load this cost somebody a request again and again. So muster counts in its place,
the worker leaves as it does at SIGTERM, and takes no new connections meanwhile.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from typing import Any

from muster.http.asgi import Receive
from muster.serve.listeners import listeners, parent_has


def requests_to_serve(receive: Receive) -> int | None:
    """How many requests the process is to serve. uvicorn does not count them from now on.

    `receive` is a lifespan's, of which uvicorn's belongs to an object with its configuration. None for any number, for
    another server, and for a process that nobody would replace: that is uvicorn's to end.
    """
    config: Any = getattr(getattr(receive, "__self__", None), "config", None)
    limit = getattr(config, "limit_max_requests", None)
    if not limit or not type(config).__module__.startswith("uvicorn") or not any(map(parent_has, listeners())):
        return None
    config.limit_max_requests = None
    return int(limit) + random.randint(0, getattr(config, "limit_max_requests_jitter", 0))


def port_closer() -> Callable[[], None]:
    """What closes uvicorn's port in this process, while connections that stand go on; nothing under other servers.

    To be asked for while the handler of SIGTERM is uvicorn's, since it belongs to the server.
    """
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)

    def close() -> None:
        if type(server).__module__.startswith("uvicorn"):
            for each in getattr(server, "servers", ()):
                each.close()

    return close
