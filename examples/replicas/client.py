"""Writes to the primary of a database and reads from its replicas, whoever they are at the moment.

muster knows nothing of their protocol: it says which instance, and hears how it went.

    python store.py primary &  python store.py replica &  python store.py replica &
    python client.py
"""

from __future__ import annotations

import socket

import muster


def ask(pool: muster.sync.Pool, line: str) -> str:
    """One question to one instance. A failure within the block counts against the instance."""
    with (
        pool.lease(timeout=5) as lease,
        socket.create_connection((lease.instance.host, lease.instance.port), timeout=5) as connection,
    ):
        connection.sendall(f"{line}\n".encode())
        return connection.makefile().readline().strip()


with muster.sync.Client() as client:
    primary = client.pool("db", tags=["primary"])
    replicas = client.pool("db", tags=["replica"])
    print(ask(primary, "SET answer 42"))
    print(ask(primary, "GET answer"))
    for _ in range(4):
        print(ask(replicas, "GET answer"))
