"""Keys and sessions."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from muster.registry.consul.wire.message import Wire


class SessionCheck(Wire, frozen=True, omit_defaults=True):
    """A check of an instance that a session depends on."""

    id: str = ""
    namespace: str = ""


class SessionRequest(Wire, frozen=True, omit_defaults=True):
    """PUT /v1/session/create. `lock_delay` is a Go duration, or a number: of seconds below 1000, else nanoseconds."""

    name: str = ""
    node: str = ""
    lock_delay: str | int | float | None = None
    behavior: str = ""
    ttl: str = ""
    checks: list[str] | None = None
    node_checks: list[str] | None = None
    service_checks: list[SessionCheck] | None = None


class KVPair(Wire, frozen=True):
    """An element of GET /v1/kv/KEY. `value` is base64 in JSON; null when empty."""

    lock_index: int = 0
    key: str = ""
    flags: int = 0
    value: bytes | None = None
    session: str | UnsetType = UNSET
    create_index: int = 0
    modify_index: int = 0


class Session(Wire, frozen=True):
    """An element of GET /v1/session/list. `lock_delay` is in nanoseconds, `ttl` a Go duration or empty."""

    id: str = ""
    name: str = ""
    node: str = ""
    lock_delay: int = 0
    behavior: str = ""
    ttl: str = ""
    node_checks: list[str] | None = None
    service_checks: list[SessionCheck] | None = None
    create_index: int = 0
    modify_index: int = 0
