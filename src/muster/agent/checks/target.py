"""Targets and failures to reach them, in Go's words: people search the web for these texts."""

from __future__ import annotations

import errno
import socket

from muster.agent.checks.definition import CheckDefinition

_DEFAULT_TIMEOUT = 10.0

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by peer",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EADDRNOTAVAIL: "cannot assign requested address",
    errno.EACCES: "permission denied",
    errno.EMFILE: "too many open files",
}


def timeout_of(definition: CheckDefinition) -> float:
    """Seconds that one look may take: 10 unless the check says otherwise."""
    return definition.timeout if definition.timeout > 0 else _DEFAULT_TIMEOUT


def split_target(target: str) -> tuple[str, int, str]:
    """Host, port and, where `target` is not `host:port`, what is wrong with it (empty otherwise)."""
    host, colon, port = target.rpartition(":")
    if not colon or host.endswith(":") or ("]" in port):
        return "", 0, f"dial tcp: address {target}: missing port in address"
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        return "", 0, f"dial tcp: address {target}: too many colons in address"
    if not (port.isascii() and port.isdigit()):
        return "", 0, f"dial tcp: lookup tcp/{port}: nodename nor servname provided, or not known"
    if int(port) > 65535:
        return "", 0, f"dial tcp: address {port}: invalid port"
    return host.strip("[]") or "127.0.0.1", int(port), ""


def dial_error(host: str, port: int, error: Exception) -> str:
    """Why connecting to `host` and `port` failed. TimeoutError means that it took too long."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, OSError) and error.errno in _REASONS:
        return f"dial tcp {shown}: connect: {_REASONS[error.errno]}"
    if isinstance(error, TimeoutError):
        return f"dial tcp {shown}: i/o timeout"
    return f"dial tcp {shown}: connect: {error}"
