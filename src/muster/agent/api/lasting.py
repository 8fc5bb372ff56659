"""No answer tells of what a crash would take back: it is held until what was written by then is on the disk.

That goes for reads as for writes. A reader that was shown a lock, an address or an index that is gone after a restart
would have acted on something that never was; Consul, too, shows only what its log has. While the disk cannot be written
requests that would write are refused before they do, and reads are answered from memory: what checks find meanwhile is
worth knowing, and found anew after a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muster.agent.api import checks, sessions
from muster.agent.api.answer import Answer, text_answer
from muster.agent.api.routing import Handler
from muster.agent.api.writing import reply_of, written
from muster.agent.store.journal import Journal
from muster.http.asgi import App, Receive, Scope, Send
from muster.http.prompt import Give, Later, Reply, WholeRequest, send_reply

_BEATS = ("/v1/agent/check/pass/", "/v1/agent/check/warn/", "/v1/agent/check/fail/", "/v1/agent/check/update/")

_HEARTBEATS = frozenset(
    route.handler
    for route in (*checks.ROUTES, *sessions.ROUTES)
    if route.path in _BEATS or route.path == "/v1/session/renew/"
)
"""What is taken while the disk is full: most change nothing but a time, and who is refused would be taken for dead."""

_UNWRITABLE = "The agent's data directory cannot be written ({})"


class Lasting:
    """What an agent with a journal does before and after each request."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def position(self) -> int:
        """How much has been written; to be read before a request is handled, and given to `held`."""
        return self._journal.position

    def refusal(self, method: str, handler: Handler) -> Answer | None:
        """The answer to a request that cannot be done now."""
        if not self._journal.failing or method == "GET" or handler in _HEARTBEATS:
            return None
        return text_answer(500, f"{_UNWRITABLE.format(self._journal.failing)}: nothing was changed")

    async def held(self, answer: Answer, method: str, position: int) -> Answer:
        """The answer, once what it tells of is on the disk."""
        journal = self._journal
        if journal.failing:
            return self._lost() if method != "GET" and journal.position > position else answer
        return answer if await journal.saved() or method == "GET" else self._lost()

    def prompt(self, request: WholeRequest, found: Reply | Later | None, position: int) -> Reply | Later | None:
        """The same for what `muster.http.prompt` takes."""
        if found is None:
            return None
        if not isinstance(found, Reply):
            return _LaterHeld(self._journal, found)
        reads, journal = request.method == "GET", self._journal
        if journal.failing:
            return found if reads or journal.position == position else self._lost_reply()
        return _Held(journal, found, (lambda: found) if reads else self._lost_reply) if journal.is_behind else found

    def _lost(self) -> Answer:
        why = _UNWRITABLE.format(self._journal.failing)
        return text_answer(500, f"{why}: the change is in effect, but lost if the agent ends before it can be written")

    def _lost_reply(self) -> Reply:
        return reply_of(written(self._lost(), gzip=False, pretty=False))


class _Held:
    """A reply that is given once what was written by now is on the disk; `lost` makes the one where it cannot be."""

    __slots__ = ("_give", "_journal", "_lost", "_reply")

    def __init__(self, journal: Journal, reply: Reply, lost: Callable[[], Reply]) -> None:
        self._journal = journal
        self._reply = reply
        self._lost = lost
        self._give: Give | None = None

    def begin(self, give: Give) -> None:
        self._give = give
        self._journal.when_saved(self._told)

    def abandon(self) -> App:
        """The request was handled, and must not be a second time: the answer goes out the other way."""
        self._give = None
        return self._answer

    def _told(self, saved: bool) -> None:
        if self._give is not None:
            self._give(lambda: self._reply if saved else self._lost())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(self._reply if await self._journal.saved() else self._lost(), send)


class _LaterHeld:
    """The reply to a query that waits: made when it is woken, and given once what it tells of is on the disk."""

    __slots__ = ("_abandoned", "_journal", "_later")

    def __init__(self, journal: Journal, later: Later) -> None:
        self._journal = journal
        self._later = later
        self._abandoned = False

    def begin(self, give: Give) -> None:
        self._later.begin(partial(self._woken, give))

    def abandon(self) -> App | None:
        self._abandoned = True
        return self._later.abandon()

    def _woken(self, give: Give, make: Callable[[], Reply]) -> None:
        if self._journal.failing or not self._journal.is_behind:
            give(make)
            return
        make = _made(make)
        self._journal.when_saved(lambda saved: None if self._abandoned else give(make))


def _made(make: Callable[[], Reply]) -> Callable[[], Reply]:
    """What has made a reply from the present state, or failed to."""
    try:
        reply = make()
    except Exception as error:  # it is told where the reply is wanted
        return partial(_fail, error)
    return lambda: reply


def _fail(error: Exception) -> Reply:
    raise error
