"""One agent's watches for all processes of a machine or a pod: a proxy that speaks Consul's HTTP API.

Worker processes that watch the same names through it cost Consul one blocking query a name, not one a name and worker.

proxy.py      Proxy: the public object, which assembles the rest
app.py        the ASGI application: answered from what is followed, or passed on
question.py   which requests can share an answer, and what they ask, pure
followed.py   one question, followed upstream for everybody who asks it
following.py  all that is followed now, and for how long
upstream.py   the agent behind the proxy
"""

from __future__ import annotations

from muster.agent.proxy.proxy import Proxy

__all__ = ["Proxy"]
