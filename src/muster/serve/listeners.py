"""The TCP sockets at which this process listens, whoever opened them, and who else has them."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from muster.model.instance import join_host_port

_NEAR = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a process listens. `inode` is the socket's own number, the same in every process that has it; 0 where the
    socket was not seen."""

    host: str
    port: int
    inode: int = 0

    @property
    def near(self) -> str:
        """HOST:PORT to connect to from this machine: loopback for a wildcard."""
        return join_host_port(_NEAR.get(self.host, self.host), self.port)

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


def listeners() -> list[Listener]:
    """Every TCP socket at which this process listens, IPv4 first. Reads the table of open files; blocks for less than
    a millisecond with a hundred of them."""
    found = [listener for fd in os.listdir("/dev/fd") if (listener := _listener(int(fd))) is not None]
    return sorted(set(found), key=lambda each: (":" in each.host, each.port, each.inode))


def parent_has(listener: Listener) -> bool | None:
    """Whether the process that started this one has the same socket, and so may give it to the next. None: it cannot
    be seen, as that of another user. Without /proc nobody can be seen."""
    wanted = f"socket:[{listener.inode}]"
    try:
        return any(_link(path) == wanted for path in Path(f"/proc/{os.getppid()}/fd").iterdir())
    except PermissionError:
        return None
    except OSError:
        return False


def _listener(fd: int) -> Listener | None:
    """None for what is no such socket, or was closed meanwhile."""
    try:
        status = os.fstat(fd)
        if not stat.S_ISSOCK(status.st_mode):
            return None
        borrowed = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        return _looked_at(borrowed, status.st_ino)
    except OSError:
        return None
    finally:
        borrowed.detach()  # it is somebody else's to close


def _looked_at(borrowed: socket.socket, inode: int) -> Listener | None:
    if borrowed.family not in (socket.AF_INET, socket.AF_INET6) or borrowed.type != socket.SOCK_STREAM:
        return None
    if not borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    host, port = borrowed.getsockname()[:2]
    return Listener(str(host), int(port), inode)


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
