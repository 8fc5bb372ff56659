"""Registers the port that gunicorn binds, and leaves the registry before gunicorn stops."""

import os

from muster.gunicorn import hooks

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = 2
when_ready, on_exit = hooks("shop", version="1.0.0", health="/healthz")
