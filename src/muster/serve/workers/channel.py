"""Messages, and open sockets with them, through a pair of connected sockets."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable

from muster.serve.workers.messages import Message

_HEAD = struct.Struct("!I?")
"""The length of a message, and whether a socket goes with it."""

_AT_ONCE = 64 * 1024
_MOST_SOCKETS = 64

Heard = Callable[[Message, socket.socket | None], None]
"""Takes a message, and the socket that came with it, which is the taker's to close."""


class Channel:
    """One end. Messages arrive whole and in their order, or not at all. Sending and hearing never block."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._received = b""
        self._sockets: deque[socket.socket] = deque()
        self._unsent: deque[tuple[bytes, socket.socket | None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: Heard | None = None
        self._lost: Callable[[], None] | None = None
        self._closed = False

    @property
    def congested(self) -> bool:
        """The other end does not read: something that was sent waits here."""
        return bool(self._unsent)

    def send(self, message: Message, handed: socket.socket | None = None) -> None:
        """Send a message, with a copy of a socket; `handed` is closed here when it is on its way. Without effect once
        the other end has gone."""
        data = pickle.dumps(message)
        self._unsent.append((_HEAD.pack(len(data), handed is not None) + data, handed))
        if len(self._unsent) == 1:
            self._flush()

    def listen(self, heard: Heard, lost: Callable[[], None]) -> None:
        """Call `heard` with each message from now on, and `lost` once when the other end has gone."""
        self._loop = asyncio.get_running_loop()
        self._heard, self._lost = heard, lost
        self._loop.add_reader(self._end, self._read)

    def hear_rest(self) -> None:
        """Hear what has arrived, at once: of a process that has ended, its last words may not have been read yet."""
        while not self._closed and self._read():
            pass

    def close(self) -> None:
        """May be called more than once."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None:
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
        for handed in (*self._sockets, *(handed for _, handed in self._unsent if handed)):
            handed.close()
        self._sockets.clear()
        self._unsent.clear()
        self._end.close()

    def _flush(self) -> None:
        while self._unsent:
            data, handed = self._unsent[0]
            try:
                sent = self._sent(data, handed)
            except BlockingIOError:
                self._later()
                return
            except OSError:
                self._forget()  # the other end has gone, which whoever listens is told
                return
            if handed is not None:
                handed.close()
            self._unsent.popleft()
            if sent < len(data):
                self._unsent.appendleft((data[sent:], None))
        if self._loop is not None:
            self._loop.remove_writer(self._end)

    def _sent(self, data: bytes, handed: socket.socket | None) -> int:
        if handed is None:
            return self._end.send(data)
        return socket.send_fds(self._end, [data], [handed.fileno()])

    def _later(self) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        self._loop.add_writer(self._end, self._flush)

    def _forget(self) -> None:
        for _, handed in self._unsent:
            if handed is not None:
                handed.close()
        self._unsent.clear()

    def _read(self) -> bool:
        """Hear some of what has arrived; False for nothing."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._end, _AT_ONCE, _MOST_SOCKETS)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            self._sockets.append(socket.socket(fileno=descriptor))
        if not data:
            self.close()
            if self._lost is not None:
                self._lost()
            return False
        self._received += data
        self._take()
        return True

    def _take(self) -> None:
        while len(self._received) >= _HEAD.size and not self._closed:
            length, handed = _HEAD.unpack_from(self._received)
            end = _HEAD.size + length
            if len(self._received) < end:
                return
            message, self._received = self._received[_HEAD.size : end], self._received[end:]
            if self._heard is not None:
                self._heard(pickle.loads(message), self._sockets.popleft() if handed else None)
