"""A Flask application as the service `shop`: a WSGI application, which gunicorn's hooks register (gunicorn.conf.py).

gunicorn shop:app                  # reads gunicorn.conf.py; one registration for all workers

Under any other server: muster register shop --port 8000 --check http:/healthz -- waitress-serve --port 8000 shop:app

An agent has to run: `muster agent`.
"""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/healthz")
def healthy() -> str:
    return "well"


@app.get("/items")
def items() -> list[str]:
    return ["tea", "coffee"]
