"""One gRPC channel to one instance, and how many are using it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import grpc.aio

Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
"""Runs a coroutine as a task that somebody owns."""


class Link:
    """A channel that connects once and never again: when its connection is lost, another link takes its place.

    A channel that reconnects by itself may find a stranger at the address, and calls would reach it before anybody
    could have asked who it is.
    """

    __slots__ = ("_spawn", "_users", "channel", "closed", "retired")

    def __init__(self, channel: grpc.aio.Channel, spawn: Spawn) -> None:
        self.channel = channel
        self.retired = False
        self.closed = False
        self._users = 0
        self._spawn = spawn

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this very moment (0.1 µs).

        gRPC's own threads notice that a connection is lost while the event loop is busy; a call sent then would make
        the channel connect anew.
        """
        return not self.closed and self.channel.get_state() is grpc.ChannelConnectivity.READY

    async def lost(self) -> None:
        """Returns when the connection does not stand."""
        while self.connected:
            await self.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    def hold(self) -> None:
        self._users += 1

    def release(self) -> None:
        self._users -= 1
        if self.retired and not self._users and not self.closed:
            self._spawn(self.close())

    def retire(self) -> None:
        """Nobody new will use it: close it when the last user has done, or now if there is none."""
        if not self.retired:
            self.retired = True
            self.hold()
            self.release()

    async def close(self, grace: float | None = None) -> None:
        """Cancel the calls that are left, after `grace` seconds if given."""
        self.retired = self.closed = True
        await self.channel.close(grace)
