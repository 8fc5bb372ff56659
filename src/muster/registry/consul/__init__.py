"""The Consul backend, `consul://HOST:8500`.

This file imports no aiohttp: the embedded agent uses wire, and starts without it.

wire/          Consul's JSON as types        duration.py    Go's durations
config.py      from URL and environment to a Config, pure
mapping.py     Registration -> JSON          entries.py     JSON -> Instance, tolerant of what others wrote
gomicro.py     what Go Micro hides in tags   blocking.py    the rules of the index, pure
answers.py     from an HTTP status to an error that says who must act
rights.py      which access rule is missing  token.py       the token, from a file that may change
client.py      one agent's HTTP API          agents.py      several agents: reads fail over, writes stay
lanes.py       connections for heartbeats
slots.py       which names block or are polled
discovery.py   reading, by blocking queries   datacenters.py  one after the other, where the first has nobody
registrar.py   writing, at one agent         members.py      whether other machines are in the cluster
registry.py    Consul: Registrar and Discovery
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muster.registry.consul.registry import Consul


def from_url(url: str, environ: Mapping[str, str]) -> Consul:
    """The registry of a `consul://` URL; what the URL leaves open is taken from CONSUL_HTTP_ADDR and its siblings.

    No I/O. Raises BadConfiguration for a URL or a variable that cannot be used.
    """
    from muster.registry.consul.config import configure
    from muster.registry.consul.registry import Consul

    return Consul(configure(url, environ))
