"""What a check is to do, read from a request; the rules that it must keep, with Consul's texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from muster.registry.consul.duration import parse_duration
from muster.registry.consul.wire import CheckDefinition as WireDefinition


class Kind(StrEnum):
    """How the agent looks. The values are what Consul writes as a check's type."""

    TTL = "ttl"
    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True)
class CheckDefinition:
    """A check's kind, target and times; all times in seconds, 0 for "not given".

    `target` is a URL for HTTP, `host:port` for TCP, `host:port/service` for gRPC, and empty for TTL.
    """

    kind: Kind
    target: str = ""
    interval: float = 0.0
    timeout: float = 0.0
    ttl: float = 0.0
    method: str = "GET"
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    body: str = ""
    tls: bool = False
    tls_skip_verify: bool = False
    success_before_passing: int = 0
    failures_before_critical: int = 0
    deregister_after: float = 0.0
    output_limit: int = 0


class BadCheck(ValueError):
    """The check contradicts itself or lacks something; the text is Consul's."""


class Unsupported(ValueError):
    """Consul knows such a check, this agent does not run it; the text says which and why."""


SCRIPTS_DISABLED = (
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
)


def read_definition(asked: WireDefinition) -> CheckDefinition:
    """The definition in a request.

    Raises ValueError with Go's text for a bad duration, BadCheck and Unsupported as they say.
    """
    interval, timeout, ttl, deregister_after = (
        _seconds(value) for value in (asked.interval, asked.timeout, asked.ttl, asked.deregister_critical_service_after)
    )
    _validate(asked, interval, ttl)
    kind, target = _kind_and_target(asked)
    return CheckDefinition(
        kind=kind,
        target=target,
        interval=interval,
        timeout=timeout,
        ttl=ttl,
        method=asked.method or "GET",
        headers={name: tuple(values or ()) for name, values in (asked.header or {}).items()},
        body=asked.body,
        tls=asked.grpc_use_tls,
        tls_skip_verify=asked.tls_skip_verify,
        success_before_passing=asked.success_before_passing,
        failures_before_critical=asked.failures_before_critical,
        deregister_after=deregister_after,
        output_limit=asked.output_max_size,
    )


def _validate(asked: WireDefinition, interval: float, ttl: float) -> None:
    looks = bool(asked.script_args or asked.http or asked.tcp or asked.grpc)
    alias = bool(asked.alias_node or asked.alias_service)
    if interval > 0 and ttl > 0:
        raise BadCheck("Interval and TTL cannot both be specified")
    if looks and interval <= 0:
        raise BadCheck("Interval must be > 0 for Script, HTTP, or TCP checks")
    if looks and alias:
        raise BadCheck("Interval cannot be set for Alias checks")
    if alias and ttl > 0:
        raise BadCheck("TTL must be not be set for Alias checks")
    if not looks and not alias and ttl <= 0:
        raise BadCheck("TTL must be > 0 for TTL checks")
    if asked.output_max_size < 0:
        raise BadCheck("MaxOutputMaxSize must be positive")
    if asked.script_args:
        raise Unsupported(SCRIPTS_DISABLED)
    if alias:
        raise Unsupported("Alias checks are not supported by this agent")


def _kind_and_target(asked: WireDefinition) -> tuple[Kind, str]:
    """Where a check names several targets, HTTP comes before TCP and TCP before gRPC, as in Consul."""
    for kind, target in ((Kind.HTTP, asked.http), (Kind.TCP, asked.tcp), (Kind.GRPC, asked.grpc)):
        if target:
            return kind, target
    return Kind.TTL, ""


def _seconds(duration: str | float | None) -> float:
    return 0.0 if duration is None else parse_duration(duration)
