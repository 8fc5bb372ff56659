"""/v1/snapshot: everything in one file, and back. The file is the agent's own, not Consul's.

Making and reading one holds up the agent: 10,000 instances take some tenths of a second.
"""

from __future__ import annotations

from muster.agent.api.answer import DONE, Answer, Refused
from muster.agent.api.reading import KNOWN_LEADER, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.state import State
from muster.agent.store.coding import Undecodable
from muster.agent.store.snapshot import BadSnapshot, Snapshot, packed, unpacked

_GZIP = b"application/x-gzip"

LARGEST = 256 << 20
"""Bytes of a snapshot that is restored. Other requests are much smaller."""


def save(state: State, request: Request) -> Answer:
    """What there is now, but for what this agent itself looks after, which it would put back anyway."""
    require_datacenter(state, request.params)
    tables = state.tables
    index = (b"X-Consul-Index", b"%d" % tables.index)
    return Answer(200, packed(Snapshot(tables.index, list(tables.saved()))), _GZIP, (index, *KNOWN_LEADER))


def restore(state: State, request: Request) -> Answer:
    """Have what a snapshot has in the place of what there is. Whoever waits is answered."""
    require_datacenter(state, request.params)
    try:
        snapshot = unpacked(request.body)
        with state.tables.write() as write:
            state.tables.restore(write, snapshot)
    except (BadSnapshot, Undecodable) as error:
        raise Refused(500, f"failed to read snapshot file: {error}") from None
    state.adopt_node()
    state.put_back()
    state.sessions.resume()
    state.waiters.dismiss()
    return DONE


ROUTES = (
    Route("GET", "/v1/snapshot", save),
    Route("PUT", "/v1/snapshot", restore),
)
