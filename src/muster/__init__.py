"""muster: service registration, discovery and calling for Python microservices.

A map of the package. Imports go down only; siblings do not import each other.

    cli                       the `muster` command, one file a command
    gateway | agent           HTTP door to the services | embedded agent that speaks Consul's HTTP API
    sync | gunicorn           the Client for threads, hooks for WSGI applications: other doors to app
    app                       Service, Client: the public objects; they assemble, they decide nothing
    telemetry                 events as log lines and metrics
    http | grpc               servers and clients of the two transports
    serve | client            a service's life | the pool: watch and pick for one name
    rpc                       what servers and clients share: endpoints, codecs, status codes
    call | watch | balance    retry, deadline, budget | following a registry | choosing an instance
    registry                  Consul, memory, static...: two small protocols
    model                     the nouns, as frozen data

The daily names are loaded when they are first used, so that `import muster` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muster._version import __version__

if TYPE_CHECKING:
    from muster import sync
    from muster.app.asgi import asgi
    from muster.app.client import Client
    from muster.app.lifespan import lifespan
    from muster.app.service import Service
    from muster.balance.balancing import Balancing
    from muster.call.breaker import Concurrency
    from muster.call.hedge import Hedging
    from muster.call.retry import RetryPolicy
    from muster.model.check import Health
    from muster.model.errors import (
        BadConfiguration,
        Denied,
        Fault,
        MusterError,
        NoInstances,
        NotRegistered,
        RegistryUnavailable,
        Rejected,
    )
    from muster.model.events import Event, Observer
    from muster.model.instance import Instance
    from muster.model.snapshot import Absent, Known, Pending, Snapshot, Stale
    from muster.rpc.contract import idempotent
    from muster.rpc.current import current_call
    from muster.serve.settings import TLS, Limits, Second, Timing

_HOMES = {
    "Absent": "muster.model.snapshot",
    "BadConfiguration": "muster.model.errors",
    "Balancing": "muster.balance.balancing",
    "Client": "muster.app.client",
    "Concurrency": "muster.call.breaker",
    "Denied": "muster.model.errors",
    "Event": "muster.model.events",
    "Fault": "muster.model.errors",
    "Health": "muster.model.check",
    "Hedging": "muster.call.hedge",
    "Instance": "muster.model.instance",
    "Known": "muster.model.snapshot",
    "Limits": "muster.serve.settings",
    "MusterError": "muster.model.errors",
    "NoInstances": "muster.model.errors",
    "NotRegistered": "muster.model.errors",
    "Observer": "muster.model.events",
    "Pending": "muster.model.snapshot",
    "RegistryUnavailable": "muster.model.errors",
    "Rejected": "muster.model.errors",
    "RetryPolicy": "muster.call.retry",
    "Second": "muster.serve.settings",
    "Service": "muster.app.service",
    "Snapshot": "muster.model.snapshot",
    "Stale": "muster.model.snapshot",
    "TLS": "muster.serve.settings",
    "Timing": "muster.serve.settings",
    "asgi": "muster.app.asgi",
    "current_call": "muster.rpc.current",
    "idempotent": "muster.rpc.contract",
    "lifespan": "muster.app.lifespan",
}

__all__ = [
    "TLS",
    "Absent",
    "BadConfiguration",
    "Balancing",
    "Client",
    "Concurrency",
    "Denied",
    "Event",
    "Fault",
    "Health",
    "Hedging",
    "Instance",
    "Known",
    "Limits",
    "MusterError",
    "NoInstances",
    "NotRegistered",
    "Observer",
    "Pending",
    "RegistryUnavailable",
    "Rejected",
    "RetryPolicy",
    "Second",
    "Service",
    "Snapshot",
    "Stale",
    "Timing",
    "__version__",
    "asgi",
    "current_call",
    "idempotent",
    "lifespan",
    "sync",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "sync":
        return import_module("muster.sync")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'muster' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
