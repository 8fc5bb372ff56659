"""The end of a worker that is replaced: one that has had its number of requests (--max-requests), or is reloaded.

uvicorn (0.54) and gunicorn's own `asgi` worker (27.0) end such a worker at once, and reset connections that it has
accepted and not read from yet: of workers that end after 50 requests each under load this cost somebody a request again
and again. So muster counts in their place, the worker leaves as it does at SIGTERM, and takes no new connections
meanwhile.
"""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Callable
from typing import Any

from muster.http.asgi import Receive
from muster.serve.listeners import listeners, parent_has


def requests_to_serve(receive: Receive) -> int | None:
    """How many requests the process is to serve. The server does not count them from now on.

    `receive` is a lifespan's, of which uvicorn's belongs to an object with its configuration. None for any number, for
    another server, and for a process that nobody would replace: that is uvicorn's to end.
    """
    config: Any = getattr(getattr(receive, "__self__", None), "config", None)
    limit = getattr(config, "limit_max_requests", None)
    if not limit or not type(config).__module__.startswith("uvicorn") or not any(map(parent_has, listeners())):
        return _of_gunicorns_own()
    config.limit_max_requests = None
    return int(limit) + random.randint(0, getattr(config, "limit_max_requests_jitter", 0))


def _of_gunicorns_own() -> int | None:
    """The same for gunicorn's `asgi` worker, whose limit has its jitter already; without one it is sys.maxsize."""
    worker = _gunicorns_own()
    if worker is None or worker.max_requests == sys.maxsize:
        return None
    limit, worker.max_requests = int(worker.max_requests), sys.maxsize
    return limit


def _gunicorns_own() -> Any:
    """gunicorn's `asgi` worker in whose event loop this is called; None in another process. It runs the loop, so it is
    among the callers."""
    frame = sys._getframe()
    while frame is not None:
        worker = frame.f_locals.get("self")
        if type(worker).__module__ == "gunicorn.workers.gasgi":
            return worker
        frame = frame.f_back  # type: ignore[assignment]
    return None


def port_closer() -> Callable[[], None]:
    """What closes the port of uvicorn, or of gunicorn's `asgi` worker, in this process, while connections that stand go
    on; nothing under other servers.

    To be asked for while the handler of SIGTERM is uvicorn's, since it belongs to the server.
    """
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not type(server).__module__.startswith("uvicorn"):
        server = _gunicorns_own()

    def close() -> None:
        for each in getattr(server, "servers", ()):
            each.close()

    return close
