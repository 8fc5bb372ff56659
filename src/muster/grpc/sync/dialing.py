"""Making channels to instances."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import grpc

from muster.client.background import Background
from muster.grpc.sync.bridge import Bridge, innermost
from muster.grpc.sync.fork import using
from muster.grpc.transport import Dialing
from muster.model.instance import Instance


@dataclass(frozen=True)
class SyncDialing(Dialing):
    """As Dialing, with sync channels and the interceptors of grpc.intercept_channel."""

    background: Background | None = None

    @classmethod
    def of(cls, dialing: Dialing, background: Background) -> SyncDialing:
        """What the user asked for, on that loop."""
        asked = {field.name: getattr(dialing, field.name) for field in fields(Dialing)}
        return cls(**asked, background=background)

    def dial(self, instance: Instance) -> Any:
        """A Bridge to one instance, not connected yet. Called on the loop."""
        assert self.background is not None
        using()
        channel = self._channel(instance)
        # Tracing libraries wrap the channel; what muster asks for its own sake is nobody's call, and not traced.
        own = innermost(channel)
        interceptors: Any = self.interceptors
        if interceptors:
            channel, own = (grpc.intercept_channel(each, *interceptors) for each in (channel, own))
        return Bridge(channel, own, self.background)

    def _channel(self, instance: Instance) -> grpc.Channel:
        # Looked up in grpc at every call: tracing libraries replace these functions.
        if self.credentials is None:
            return grpc.insecure_channel(instance.address, **self.kinds(instance))
        return grpc.secure_channel(instance.address, self.credentials, **self.kinds(instance))
