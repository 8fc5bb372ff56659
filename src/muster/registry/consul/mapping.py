"""How a registration is written into Consul. Pure.

name, id, host, port, tags    Name, ID, Address (left out where the node's own is meant), Port, Tags verbatim
version, protocol, zone       Meta `version`, `protocol`, `zone`
muster's own                  Meta `muster`: the format's version, and the digest of the endpoints after a ';'; only
                              where the instance can prove who it is
metadata                      Meta
weight                        Weights.Passing, and half of it for Warning
checks                        `<id>:<name>`, with what they do in Notes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec

from muster.model.check import Check, GRPCCheck, HTTPCheck, TCPCheck, TTLCheck
from muster.model.errors import Rejected
from muster.model.instance import Instance
from muster.model.service import MAX_METADATA, Registration
from muster.registry.consul.duration import format_duration
from muster.registry.consul.wire import AgentService, HealthCheck, ServiceCheck, ServiceRegistration, Weights
from muster.registry.weight import when_warning

FORMAT = "1"
"""Version of what muster writes. Readers take any: a later one may only add."""

VERSION, PROTOCOL, ZONE, MUSTER = "version", "protocol", "zone", "muster"
OWN_META = (VERSION, PROTOCOL, ZONE, MUSTER)


def check_id(instance_id: str, name: str) -> str:
    """The id of an instance's check in Consul, where ids are unique for a whole agent."""
    return f"{instance_id}:{name}"


def to_wire(registration: Registration) -> ServiceRegistration:
    """The body of the registration. Raises Rejected for metadata that has no room beside muster's own."""
    instance = registration.instance
    return ServiceRegistration(
        id=instance.id,
        name=instance.service,
        tags=list(instance.tags),
        address=instance.host,
        port=instance.port,
        meta=_meta(instance),
        weights=Weights(passing=instance.weight, warning=when_warning(instance.weight)),
        checks=[_check(registration, check) for check in registration.checks],
    )


def differs(wanted: ServiceRegistration, service: AgentService, checks: Mapping[str, HealthCheck]) -> bool:
    """Whether what the agent holds is not what is wanted. Its checks' definitions are compared by their Notes."""
    held = ServiceRegistration(
        id=service.id,
        name=service.service,
        tags=list(service.tags or ()),
        address=service.address,
        port=service.port,
        meta=service.meta or {},
        weights=service.weights,
    )
    if held != msgspec.structs.replace(wanted, checks=None):
        return True
    return any(_check_differs(check, checks.get(check.check_id)) for check in wanted.checks or ())


def unwanted(wanted: ServiceRegistration, checks: Mapping[str, HealthCheck]) -> list[str]:
    """Ids of checks that an earlier registration of the instance left. Those of others, as maintenance, stay."""
    ids = {check.check_id for check in wanted.checks or ()}
    return [key for key in checks if key.startswith(check_id(wanted.id, "")) and key not in ids]


def expired(wanted: ServiceRegistration, checks: Mapping[str, HealthCheck]) -> list[str]:
    """Ids of wanted TTL checks that the agent holds and that do not pass.

    Consul keeps the status of a check that it knows, whatever a registration says, and so does an agent that read
    its state back from disk: such a check fails until its first beat.
    """
    ttl = [check.check_id for check in wanted.checks or () if check.ttl is not None]
    return [key for key in ttl if key in checks and checks[key].status != "passing"]


def _meta(instance: Instance) -> dict[str, str]:
    taken = [key for key in OWN_META if key in instance.metadata]
    if taken:
        raise Rejected(f"instance {instance.id!r}: metadata key {taken[0]!r} is muster's own: use another")
    marker = (f"{FORMAT};{instance.endpoints}" if instance.endpoints else FORMAT) if instance.verifiable else ""
    own = {VERSION: instance.version, PROTOCOL: instance.protocol, ZONE: instance.zone, MUSTER: marker}
    meta = {**instance.metadata, **{key: value for key, value in own.items() if value}}
    if len(meta) > MAX_METADATA:
        raise Rejected(
            f"instance {instance.id!r}: {len(instance.metadata)} pairs of metadata and "
            f"{len(meta) - len(instance.metadata)} of muster's own are more than the {MAX_METADATA} that Consul allows"
        )
    return meta


def _check(registration: Registration, check: Check) -> ServiceCheck:
    after = format_duration(registration.deregister_after)
    return msgspec.structs.replace(
        _kind(check),
        check_id=check_id(registration.instance.id, check.name),
        name=check.name,
        notes=_notes(check, after),
        status="passing",
        deregister_critical_service_after=after,
    )


def _kind(check: Check) -> ServiceCheck:
    match check:
        case TTLCheck():
            return ServiceCheck(ttl=format_duration(check.ttl))
        case GRPCCheck():
            return ServiceCheck(
                grpc=_grpc_target(check),
                grpc_use_tls=check.tls,
                tls_skip_verify=check.tls_skip_verify,
                interval=format_duration(check.interval),
                timeout=format_duration(check.timeout),
            )
        case HTTPCheck():
            return ServiceCheck(
                http=check.url,
                tls_skip_verify=check.tls_skip_verify,
                interval=format_duration(check.interval),
                timeout=format_duration(check.timeout),
                failures_before_critical=check.failures if check.failures > 1 else 0,
            )
        case TCPCheck():
            return ServiceCheck(
                tcp=check.target, interval=format_duration(check.interval), timeout=format_duration(check.timeout)
            )
        case _:
            assert_never(check)


def _grpc_target(check: GRPCCheck) -> str:
    return f"{check.target}/{check.service}" if check.service else check.target


def _notes(check: Check, after: str) -> str:
    """What the check does, for people who look at it in Consul, and for `differs`: nothing else tells it."""
    match check:
        case TTLCheck():
            what = f"a heartbeat within {format_duration(check.ttl)}"
        case GRPCCheck():
            what = f"gRPC health at {_grpc_target(check)}{_tls(check.tls, check.tls_skip_verify)}{_every(check)}"
        case HTTPCheck():
            patient = f", critical after {check.failures} failures" if check.failures > 1 else ""
            what = f"HTTP GET {check.url}{_tls(False, check.tls_skip_verify)}{_every(check)}{patient}"
        case TCPCheck():
            what = f"TCP connection to {check.target}{_every(check)}"
        case _:
            assert_never(check)
    return f"{what}; removed after {after} critical"


def _every(check: GRPCCheck | HTTPCheck | TCPCheck) -> str:
    return f" every {format_duration(check.interval)}, given {format_duration(check.timeout)}"


def _tls(tls: bool, skip_verify: bool) -> str:
    return f"{' over TLS' if tls else ''}{' unverified' if skip_verify else ''}"


def _check_differs(check: ServiceCheck, held: HealthCheck | None) -> bool:
    return held is None or (held.name, held.notes) != (check.name, check.notes)
