"""A sync channel in the shape of the grpc.aio channel that `grpc.connection` and calls by name work with."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
from grpc._cython import cygrpc

from muster.client.background import Background
from muster.grpc.sync.bridged import Answer, Dialogue, Stub

OWN = ("/grpc.health.", "/grpc.reflection.")
"""What muster asks an instance for its own sake."""

PATIENCE = 0.5
"""Seconds for a thread that looks five times a second to come to its end."""

TICK = 0.01

_STATES = {state.value[0]: state for state in grpc.ChannelConnectivity}


class Bridge:
    """One connection: `channel` carries calls, and `own` what muster asks for its own sake. Make it on the loop."""

    def __init__(self, channel: grpc.Channel, own: grpc.Channel, background: Background) -> None:
        self._channel = channel
        self._own = own
        self._core = _core(channel)
        self._background = background
        self._heard = grpc.ChannelConnectivity.IDLE
        self._was_ready = False
        self._moved = asyncio.Event()
        self._closed = False
        channel.subscribe(self._hear, try_to_connect=True)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state at this very moment (0.3 µs, and as long as another thread takes to send on the connection). Any
        thread may ask.

        Of a channel that cannot be looked into, the state that was last heard, which comes late: whoever does not want
        to connect has a proven connection, so it is READY until it has been heard to be, and to be no more.
        """
        if self._closed:
            return grpc.ChannelConnectivity.SHUTDOWN
        if self._core is None:
            return self._heard if self._was_ready or try_to_connect else grpc.ChannelConnectivity.READY
        try:
            return _STATES[self._core.check_connectivity_state(try_to_connect)]
        except ValueError:  # closed meanwhile, by another thread
            return grpc.ChannelConnectivity.SHUTDOWN

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        while self._now() is last_observed_state:
            self._moved.clear()
            await self._moved.wait()

    async def close(self, grace: float | None = None) -> None:
        """Cancels the calls. In a thread: it waits for the one that watches the state, up to 0.2 s."""
        self._closed = True
        self._moved.set()
        self._channel.unsubscribe(self._hear)
        await self._background.aside(self._close)

    def unary_unary(self, method: str, *codec: Any, **named: Any) -> Stub:
        return self._stub("unary_unary", Answer, method, codec, named)

    def unary_stream(self, method: str, *codec: Any, **named: Any) -> Stub:
        return self._stub("unary_stream", Dialogue, method, codec, named)

    def stream_unary(self, method: str, *codec: Any, **named: Any) -> Stub:
        return self._stub("stream_unary", None, method, codec, named)

    def stream_stream(self, method: str, *codec: Any, **named: Any) -> Stub:
        return self._stub("stream_stream", Dialogue, method, codec, named)

    def _stub(self, kind: str, shape: Any, method: str, codec: tuple[Any, ...], named: dict[str, Any]) -> Stub:
        channel = self._own if method.startswith(OWN) else self._channel
        blocking = getattr(channel, kind)(method, *codec, **named)
        return Stub(self._background, blocking, shape, plain=innermost(channel) is channel)

    def _close(self) -> None:
        """gRPC's thread that watches the state ends when it sees that nobody wants to hear of it; one that came to look
        just when the channel has closed would raise, for all to see on stderr."""
        watching = getattr(innermost(self._channel), "_connectivity_state", _Unseen)
        end = time.monotonic() + PATIENCE
        while watching.polling and time.monotonic() < end:
            time.sleep(TICK)
        self._channel.close()

    def _now(self) -> grpc.ChannelConnectivity:
        return self._heard if self._core is None and not self._closed else self.get_state()

    def _hear(self, state: grpc.ChannelConnectivity) -> None:
        """Called by a thread of gRPC. It goes on in a forked child, whose parent's loop does not want to hear it."""
        if self._background.abandoned:
            self._channel.unsubscribe(self._hear)
        else:
            self._background.call(self._note, state)

    def _note(self, state: grpc.ChannelConnectivity) -> None:
        self._heard = state
        self._was_ready = self._was_ready or state is grpc.ChannelConnectivity.READY
        self._moved.set()


class _Unseen:
    """Of a channel that cannot be looked into: it may be so."""

    polling = True


def innermost(channel: Any) -> Any:
    """The channel of grpc itself within what interceptors have wrapped it in; `channel`, if it cannot be found."""
    inner = channel
    while inner is not None:
        if isinstance(getattr(inner, "_channel", None), cygrpc.Channel):
            return inner
        inner = getattr(inner, "_channel", None)
    return channel


def _core(channel: Any) -> Any:
    """The cython channel, which tells its state when it is asked. A sync channel tells its subscribers alone, from a
    thread, and a call sent before it has told that the connection is lost would make the channel connect anew."""
    core = getattr(innermost(channel), "_channel", None)
    return core if isinstance(core, cygrpc.Channel) else None
