"""The embedded agent: a registry in this process, or behind `muster agent`, that speaks Consul's HTTP API.

agent.py      Agent: the public object, which assembles the rest
identity.py   who this agent is, and the node that it puts into the catalog
store/        one way to change what the agent holds
catalog/      what is registered: tables, indexes, views
local.py      what is registered with this agent, and how it reaches the catalog
checks/       how health is found out
entries/      config entries
autopilot.py  what would be done about servers that fail
monitor.py    the log as a stream
kv/           keys with values, and the sessions that lock them
filter/       the filter language
blocking.py   blocking queries: when an answer waits, and what wakes it
events.py     user events
encoded.py    encoded answers, kept while they hold
background.py tasks beside the body of an `async with`
state.py      what the API answers from
api/          the HTTP API, one file a family of URLs
"""

from __future__ import annotations

from muster.agent.agent import Agent
from muster.agent.local import Timing

__all__ = ["Agent", "Timing"]
