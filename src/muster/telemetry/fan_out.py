"""One observer that tells several."""

from __future__ import annotations

import logging

from muster.model.events import Event, Observer

_log = logging.getLogger("muster.telemetry")


def fan_out(*observers: Observer) -> Observer:
    """An observer that tells each of `observers`, in their order.

    One that raises breaks the contract of Observer: it is logged with its traceback, and the others are still told,
    since a fault in somebody's metrics must not end a call or a watch.
    """

    def tell(event: Event) -> None:
        for observer in observers:
            try:
                observer(event)
            except Exception:
                _log.exception("observer %r failed on %r", observer, event)

    return tell
