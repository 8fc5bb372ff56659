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
    H2PING = "h2ping"
    SCRIPT = "script"
    ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class CheckDefinition:
    """A check's kind, target and times; all times in seconds, 0 for "not given".

    `target` is a URL for HTTP, `host:port` for TCP and H2PING, `host:port/service` for gRPC, the id of a service for an
    alias (empty for a whole node), and empty for TTL and scripts. `node` is an alias's, empty for the agent's own.
    `script` is a program with its arguments. `tls` and what begins with it are for HTTP, gRPC and H2PING.
    """

    kind: Kind
    target: str = ""
    interval: float = 0.0
    timeout: float = 0.0
    ttl: float = 0.0
    method: str = "GET"
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    body: str = ""
    follow_redirects: bool = True
    tls: bool = False
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    node: str = ""
    script: tuple[str, ...] = ()
    success_before_passing: int = 0
    failures_before_warning: int = 0
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
DEFINED_SCRIPTS_DISABLED = (
    "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' "
    "to true"
)
NO_DOCKER = "Docker checks are not supported by this agent"


def read_definition(asked: WireDefinition, refuse_scripts: str = SCRIPTS_DISABLED) -> CheckDefinition:
    """The definition in a request. `refuse_scripts`: why no programs may be run, empty where they may.

    Raises ValueError with Go's text for a bad duration, BadCheck and Unsupported as they say.
    """
    interval, timeout, ttl, deregister_after = (
        _seconds(value) for value in (asked.interval, asked.timeout, asked.ttl, asked.deregister_critical_service_after)
    )
    _validate(asked, interval, ttl)
    _require_supported(asked, refuse_scripts)
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
        follow_redirects=not asked.disable_redirects,
        tls=asked.h2ping_use_tls if kind is Kind.H2PING else asked.grpc_use_tls,
        tls_server_name=asked.tls_server_name,
        tls_skip_verify=asked.tls_skip_verify,
        node=asked.alias_node,
        script=tuple(asked.script_args or ()),
        success_before_passing=asked.success_before_passing,
        failures_before_warning=asked.failures_before_warning,
        failures_before_critical=asked.failures_before_critical,
        deregister_after=deregister_after,
        output_limit=asked.output_max_size,
    )


def _validate(asked: WireDefinition, interval: float, ttl: float) -> None:
    looks = bool(asked.script_args or asked.http or asked.tcp or asked.grpc or asked.h2ping)
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
    if asked.failures_before_warning > asked.failures_before_critical:
        raise BadCheck("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")


def _require_supported(asked: WireDefinition, refuse_scripts: str) -> None:
    """A script is refused even where another target of the same check would be looked at in its place."""
    if asked.script_args and refuse_scripts:
        raise Unsupported(refuse_scripts)
    if asked.script_args and asked.docker_container_id:
        raise Unsupported(NO_DOCKER)


def _kind_and_target(asked: WireDefinition) -> tuple[Kind, str]:
    """Where a check names several targets, HTTP comes before TCP, and so on down the list, as in Consul."""
    targets = ((Kind.HTTP, asked.http), (Kind.TCP, asked.tcp), (Kind.GRPC, asked.grpc), (Kind.H2PING, asked.h2ping))
    for kind, target in targets:
        if target:
            return kind, target
    if asked.script_args:
        return Kind.SCRIPT, ""
    if asked.alias_node or asked.alias_service:
        return Kind.ALIAS, asked.alias_service
    return Kind.TTL, ""


def _seconds(duration: str | float | None) -> float:
    return 0.0 if duration is None else parse_duration(duration)
