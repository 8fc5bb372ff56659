"""No answer tells of what a crash would take back: it is held until what was written by then is on the disk.

That goes for reads as for writes. A reader that was shown a lock, an address or an index that is gone after a restart
would have acted on something that never was; Consul, too, shows only what its log has. While the disk cannot be written
requests that would write are refused before they do, and reads are answered from memory: what checks find meanwhile is
worth knowing, and found anew after a restart.
"""

from __future__ import annotations

from muster.agent.api import checks, sessions
from muster.agent.api.answer import Answer, text_answer
from muster.agent.api.routing import Handler
from muster.agent.store.journal import Journal

_BEATS = ("/v1/agent/check/pass/", "/v1/agent/check/warn/", "/v1/agent/check/fail/", "/v1/agent/check/update/")

REPEATABLE = frozenset(
    route.handler
    for route in (*checks.ROUTES, *sessions.ROUTES)
    if route.path in _BEATS or route.path == "/v1/session/renew/"
)
"""Handlers of what may be done twice, and while the disk is full: most heartbeats change nothing but a time."""


class Lasting:
    """What an agent with a journal does before and after each request."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def is_prompt(self, method: str, handler: Handler) -> bool:
        """Whether a request may be handled now without knowing whether its answer can be given at once."""
        return method == "GET" or (handler in REPEATABLE and not self._journal.failing)

    @property
    def is_behind(self) -> bool:
        """Whether answers have to be held."""
        return self._journal.is_behind and not self._journal.failing

    @property
    def position(self) -> int:
        """How much has been written; to be read before a request is handled."""
        return self._journal.position

    def refusal(self, method: str, handler: Handler) -> Answer | None:
        """The answer to a request that cannot be done now."""
        if not self._journal.failing or method == "GET" or handler in REPEATABLE:
            return None
        return text_answer(500, f"{_UNWRITABLE.format(self._journal.failing)}: nothing was changed")

    async def held(self, answer: Answer, method: str, position: int) -> Answer:
        """The answer once what it tells of is on the disk. `position` is that of before the request was handled."""
        journal = self._journal
        if journal.failing:
            lost = method != "GET" and journal.position > position
        else:
            lost = not await journal.saved() and method != "GET"
        if not lost:
            return answer
        why = _UNWRITABLE.format(journal.failing)
        return text_answer(500, f"{why}: the change is in effect, but lost if the agent ends before it can be written")


_UNWRITABLE = "The agent's data directory cannot be written ({})"
