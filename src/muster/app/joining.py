"""What an application under somebody else's server tells muster of itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from muster.app.given import check_given, check_known, several
from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import Observer
from muster.model.instance import split_host_port
from muster.registry.protocol import Registrar
from muster.registry.url import open_registry
from muster.rpc.identity import DEFAULT_PATH
from muster.serve.entry import Label, compose, new_id
from muster.serve.listeners import Listener
from muster.serve.mode import Mode, mode_of
from muster.serve.reach import by_http
from muster.serve.settings import Timing, timing_of
from muster.telemetry.logging import EventLog

LISTEN = "MUSTER_LISTEN"


class Options(TypedDict, total=False):
    """What may be given beside the name; all of it as for `muster.Service`, but:

    `listen`: HOST:PORT at which the server listens (MUSTER_LISTEN); it is found where it is left out.
    `health`: the path at which it is asked for its health. For `asgi` another than /health, where the application has
    one there; for `lifespan` the application's own, without which the registry only connects.
    """

    version: str
    registry: str | Registrar | None
    listen: str | None
    health: str
    advertise: str | None
    register: str | None
    tags: Iterable[str]
    metadata: Mapping[str, str]
    weight: int
    zone: str
    timing: Timing
    observe: Observer


@dataclass(frozen=True, slots=True)
class Joining:
    """The same, checked; completed by the environment when it is asked for. `health` may be empty."""

    label: Label
    registry: str | Registrar | None
    given_listen: str | None
    health: str
    given_advertise: str | None
    register: str | None
    given_timing: Timing
    observe: Observer

    @property
    def timing(self) -> Timing:
        """Raises BadConfiguration."""
        return timing_of(self.given_timing, os.environ)

    @property
    def mode(self) -> Mode:
        """Raises BadConfiguration."""
        return mode_of(self.register or os.environ.get("MUSTER_REGISTER") or Mode.SELF)

    @property
    def advertise(self) -> str | None:
        return self.given_advertise or os.environ.get("MUSTER_ADVERTISE") or None

    @property
    def listen(self) -> Listener | None:
        """Where the server listens, if that was told. Raises BadConfiguration."""
        told = self.given_listen or os.environ.get(LISTEN)
        if not told:
            return None
        try:
            host, port = split_host_port(told)
        except ValueError as error:
            raise BadConfiguration(f"listen ({LISTEN}): {error}") from None
        return Listener(host or "0.0.0.0", port)

    def check(self) -> None:
        """Raises BadConfiguration for a setting that cannot be used. No I/O."""
        _ = self.listen, self.timing
        if self.mode is Mode.SELF and (self.registry is None or isinstance(self.registry, str)):
            open_registry(self.registry)


def joining(where: str, name: str, options: Options, health: str = "") -> Joining:
    """`where`: the function that was called. `health`: the path where none was given. No I/O.

    Raises Rejected for a name or label that no registry takes, BadConfiguration for an argument of another type, and
    TypeError for one that there is not.
    """
    check_known(where, options, Options.__optional_keys__)
    check_given(where, {"name": name, **options})
    tags, health = several(options.get("tags", ())), options.get("health", health)
    if health and (not health.startswith("/") or health.endswith("/")):
        raise Rejected(f"health={health!r}: expected a path as {DEFAULT_PATH}")
    metadata = dict(options.get("metadata") or {})
    label = Label(name, options.get("version", ""), tags, metadata, options.get("weight", 1), options.get("zone", ""))
    timing = options.get("timing") or Timing()
    compose(label, new_id(name), ("", 1), (), timing, by_http(health or DEFAULT_PATH, None))
    return Joining(
        label,
        options.get("registry"),
        options.get("listen"),
        health,
        options.get("advertise"),
        options.get("register"),
        timing,
        options.get("observe") or EventLog(),
    )
