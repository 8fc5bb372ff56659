"""Checks that are what other checks are: those of a service, and of the node that it is on.

Source: https://developer.hashicorp.com/consul/docs/services/usage/checks and what Consul 1.8.7 was seen to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from muster.agent.catalog.rows import CheckRow
from muster.agent.catalog.topics import Topic, checks_on, node_of
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.state import OUTPUT_LIMIT, Result
from muster.model.check import Health

_LONGEST_OF_ALIAS = 2 * OUTPUT_LIMIT
"""Characters. It leaves a check's output whole, with what was captured of it, behind a few aliases."""


def judged(checks: Iterable[CheckRow], alias: CheckDefinition, check_id: str, *, exists: bool) -> Result:
    """What an alias is, by the checks of the node that it names. The first critical one decides, else the last warning.

    `exists`: the service that it names is on that node or, where it names none, the node is there. An alias does not
    count itself: in Consul one that is a check of the node that it names stays critical for good. What another alias
    tells is cut: two that name each other would add to it without end.
    """
    found, health, output = False, Health.PASSING, "No checks found."
    for check in sorted(checks, key=lambda check: check.id):
        if check.service_id not in ("", alias.target) or check.id == check_id:
            continue
        found = found or check.service_id == alias.target
        if check.status in (Health.CRITICAL, Health.WARNING):
            health, output = Health(check.status), _failing(check)
            if health is Health.CRITICAL:
                break
        elif health is Health.PASSING:
            output = "All checks passing."
    if not found and not exists:
        return Result(Health.CRITICAL, _missing(alias))
    return Result(health, output)


def _failing(check: CheckRow) -> str:
    output = f'Aliased check "{check.name}" failing: {check.output}'
    return output[:_LONGEST_OF_ALIAS] if check.type == Kind.ALIAS else output


def _missing(alias: CheckDefinition) -> str:
    """Consul crashes over a node that is not there, so of that it has no text."""
    if not alias.target:
        return f"Node {alias.node} could not be found"
    return f"Service {alias.target} could not be found on node {alias.node}"


class Aliases:
    """The alias checks that run, and which changes concern them. Synchronous; for use on one event loop.

    `look` is called with the id of each that may have become another: soon, once for several changes, and not within
    the write that changed something, which it may follow with one of its own.
    """

    def __init__(self, look: Callable[[str], None]) -> None:
        self._look = look
        self._topics: dict[str, tuple[Topic, ...]] = {}
        self._by_topic: dict[Topic, set[str]] = {}
        self._due: dict[str, asyncio.Handle] = {}

    def start(self, check_id: str, node: str) -> None:
        """Follow the checks of `node` and of what is on it; the first look is soon. In place of one of the same id."""
        self.stop(check_id)
        self._topics[check_id] = (checks_on(node), node_of(node))
        for topic in self._topics[check_id]:
            self._by_topic.setdefault(topic, set()).add(check_id)
        self._look_soon(check_id)

    def stop(self, check_id: str) -> None:
        """An unknown id is fine."""
        for topic in self._topics.pop(check_id, ()):
            self._by_topic[topic].discard(check_id)
            if not self._by_topic[topic]:
                del self._by_topic[topic]
        due = self._due.pop(check_id, None)
        if due is not None:
            due.cancel()

    def heed(self, topics: Iterable[Topic]) -> None:
        """Tell of a change in the catalog."""
        if self._by_topic:
            for topic in topics:
                for check_id in self._by_topic.get(topic, ()):
                    self._look_soon(check_id)

    def _look_soon(self, check_id: str) -> None:
        if check_id not in self._due:
            self._due[check_id] = asyncio.get_running_loop().call_soon(self._look_now, check_id)

    def _look_now(self, check_id: str) -> None:
        del self._due[check_id]
        self._look(check_id)
