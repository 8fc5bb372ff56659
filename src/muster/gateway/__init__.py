"""The gateway: one HTTP door to the services, JSON outside and gRPC inside.

gateway.py     Gateway: listens, and assembles the rest
app.py         the ASGI application: methods, limits, clients that go away
body.py        receiving a body, and what may be in it
forward.py     from a request to a call, from its answer to a response
routes.py      which service and endpoint a path means (pure)
transcode.py   queries and bodies as the JSON value of a message (pure)
metadata.py    headers as metadata, and back (pure)
names.py       which names there are
problem.py     errors as RFC 9457 has them
exchange.py    a request and its response
"""

from __future__ import annotations

from muster.gateway.gateway import Gateway, Limits

__all__ = ["Gateway", "Limits"]
