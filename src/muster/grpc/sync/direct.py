"""Calls whose first attempt is made at once, by the thread that waits for the answer.

Most calls need one attempt, on an instance that is ready. That much is done here; `waiting` takes over when anything
else happens. It takes 6 µs of CPU in a loop of its own and 30 between calls, when gRPC has had the processor's caches:
what costs is how many functions and objects are touched, more than what is done with them.
"""

from __future__ import annotations

import time
from typing import Any

from muster.client.background import ENTER, LEAVE
from muster.grpc.sync.handles import Handle
from muster.grpc.sync.hedged import Hedged
from muster.grpc.sync.waiting import Waiting
from muster.grpc.sync.work import Direct, with_call
from muster.model.errors import MusterError
from muster.model.outcome import Outcome

_UNSENT = object()
_NOT_SENT = Outcome("CANCELLED")


def answer(work: Direct, message: Any) -> Any:
    """Make the call, with as many attempts as it takes. Called outside; raises the call's error."""
    background, terms = work.background, work.terms
    if not background.do(_begin, work, ENTER):
        return _hedged(work) if work.method.hedged else Waiting.begun(work).answer()
    result: Any = _UNSENT
    try:
        if work.link.connected:
            result = work.stub(message, terms.timeout, terms.metadata, terms.credentials, None, terms.compression)
    except BaseException as error:
        return Waiting.after(work, error).answer()
    if result is _UNSENT:
        background.do(_take_back, work, LEAVE)
        return Waiting.begun(work).answer()
    background.do(_succeed, work, LEAVE)
    return result


def _begin(work: Direct) -> bool:
    """As Attempting.begin; False where nobody is ready, and where there is more to it than sending an attempt.

    Whether the connection stands is asked later, outside. gRPC looks at it under the channel's own lock, which a thread
    that sends holds for as long as the kernel takes: whoever waited for that in here would have all other threads wait.
    """
    method, terms = work.method, work.terms
    if method.limited or method.hedged or (terms.timeout is not None and terms.timeout <= 0):
        work.background.leave()
        return False
    work.key = method.key_in(terms.metadata) if method.keyed else None
    try:
        work.node = node = method.draw((), work.key)
    except MusterError:
        work.background.leave()
        return False
    assert node.link is not None, "a node is chosen only while it has a link"
    work.link = link = node.link
    work.stub = work.ask(method.bind(link))
    work.began = time.monotonic()
    node.begin()
    link.hold()
    return True


def _succeed(work: Direct) -> None:
    now = time.monotonic()
    work.method.retrier.budget.deposit(now)
    work.node.succeed(now - work.began)
    work.link.release()


def _take_back(work: Direct) -> None:
    """It was not sent: its connection is lost. The node may have another by now."""
    work.node.end(_NOT_SENT)
    work.link.release()
    if work.node.link is work.link:
        work.method.lost(work.node)


def _hedged(work: Direct) -> Any:
    """A call of which a second may be sent while this thread waits: it runs by itself."""
    call = Handle(work.background, Hedged.begun(work))
    result = call.result()
    return (result, call) if work.ask is with_call else result
