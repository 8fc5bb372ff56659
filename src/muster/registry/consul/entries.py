"""How Consul's answers are read: instances as muster knows them, also those that others registered. Pure.

One entry that cannot be used must not cost the rest: it is set aside, with a text that says why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from muster.model.check import CheckState, Health, worst
from muster.model.instance import GRPC, HTTP, UNKNOWN, Instance
from muster.registry.consul import gomicro
from muster.registry.consul.mapping import MUSTER, OWN_META, PROTOCOL, VERSION, ZONE, check_id
from muster.registry.consul.wire import CatalogServices, HealthCheck, NodeService, ServiceEntry
from muster.registry.weight import when_warning

_PROTOCOLS = frozenset({GRPC, HTTP, "mucp"})
"""What a foreign entry's `protocol` may mean to us. Others write "tcp" or "https" there: that counts as unknown."""


UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a body that is not the JSON expected."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer for one name held. `set_aside`: a text for each entry that cannot be used."""

    instances: tuple[Instance, ...]
    set_aside: tuple[str, ...] = ()

    @property
    def anybody(self) -> bool:
        """Whether anything at all is registered, usable or not."""
        return bool(self.instances or self.set_aside)


def read_instances(name: str, body: bytes) -> Reading:
    """The instances in an answer of /v1/health/service/NAME, sorted by id.

    Raises one of UNDECODABLE where `body` is no JSON list at all.
    """
    entries, set_aside = _decode(body)
    shared = _shared_ids(entries)
    instances: list[Instance] = []
    for entry in entries:
        if fault := _fault(entry):
            set_aside.append(f"{entry.service.id!r} on node {entry.node.node!r}: {fault}")
        else:
            instances.append(_instance(name, entry, shared))
    return Reading(tuple(sorted(instances, key=lambda instance: instance.id)), tuple(set_aside))


def read_names(body: bytes) -> Mapping[str, frozenset[str]]:
    """Names and tags in an answer of /v1/catalog/services. Raises one of UNDECODABLE where it is something else."""
    services = msgspec.json.decode(body, type=CatalogServices | None)
    return {name: frozenset(tags or ()) for name, tags in (services or {}).items()}


_entries = msgspec.json.Decoder(list[ServiceEntry] | None)
_raw_entries = msgspec.json.Decoder(list[msgspec.Raw] | None)
_entry = msgspec.json.Decoder(ServiceEntry)


def _decode(body: bytes) -> tuple[Sequence[ServiceEntry], list[str]]:
    """The entries, and texts for those that do not decode. One by one only where the whole does not."""
    try:
        return _entries.decode(body) or (), []
    except (msgspec.ValidationError, UnicodeDecodeError):
        pass
    entries: list[ServiceEntry] = []
    set_aside: list[str] = []
    for raw in _raw_entries.decode(body) or ():
        try:
            entries.append(_entry.decode(raw))
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            set_aside.append(f"entry {len(entries) + len(set_aside) + 1}: {error}")
    return entries, set_aside


_NOT_IN_A_HOST = re.compile(r"[\s/@?#\x00-\x1f\x7f]")


def _fault(entry: ServiceEntry) -> str:
    """Why nobody can call the instance, or nothing."""
    service = entry.service
    if not service.id:
        return "it has no id"
    if not 1 <= service.port <= 65535:
        return f"port {service.port} is not a port"
    host = _host(entry)
    if not host:
        return "neither it nor its node has an address"
    if _NOT_IN_A_HOST.search(host):
        return f"{host[:100]!r} is not an address"
    return ""


def _host(entry: ServiceEntry) -> str:
    host = entry.service.address or entry.node.address
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _instance(name: str, entry: ServiceEntry, shared: frozenset[str]) -> Instance:
    service = entry.service
    meta = service.meta or {}
    tags = tuple(service.tags or ())
    states = [_state(service.id, check) for check in entry.checks or ()]
    health = worst(tuple(state.health for state in states))
    known = _by_muster(meta) if MUSTER in meta else _by_others(meta, tags)
    return Instance(
        id=f"{service.id}@{entry.node.node}" if service.id in shared else service.id,
        service=name,
        host=_host(entry),
        port=service.port,
        protocol=known.protocol,
        version=known.version,
        tags=tags,
        metadata=known.metadata,
        weight=_weight(service, health),
        zone=meta.get(ZONE, ""),
        health=health,
        failing=tuple(sorted((s for s in states if s.health is not Health.PASSING), key=lambda state: state.name)),
        endpoints=known.endpoints,
        verifiable=known.verifiable,
    )


@dataclass(frozen=True, slots=True)
class _Described:
    """What is told of an instance in Meta and tags."""

    version: str
    protocol: str
    metadata: Mapping[str, str]
    endpoints: str = ""
    verifiable: bool = False


def _by_muster(meta: Mapping[str, str]) -> _Described:
    metadata = {key: value for key, value in meta.items() if key not in OWN_META}
    endpoints = meta[MUSTER].partition(";")[2]
    return _Described(meta.get(VERSION, ""), meta.get(PROTOCOL, UNKNOWN), metadata, endpoints, verifiable=True)


def _by_others(meta: Mapping[str, str], tags: Iterable[str]) -> _Described:
    """Read as it is: the whole Meta stays visible, and Go Micro's tags fill in what Meta lacks."""
    hidden = gomicro.decode(tags)
    metadata = {**hidden.metadata, **meta}
    protocol = metadata.get(PROTOCOL, "").lower()
    version = meta.get(VERSION) or hidden.version or metadata.get(VERSION, "")
    return _Described(version, protocol if protocol in _PROTOCOLS else UNKNOWN, metadata)


def _state(instance_id: str, check: HealthCheck) -> CheckState:
    """A check of the service or of its node. A status that is none of Consul's three counts as critical."""
    try:
        health = Health(check.status)
    except ValueError:
        health = Health.CRITICAL
    return CheckState(check.check_id.removeprefix(check_id(instance_id, "")), health, check.output)


def _weight(service: NodeService, health: Health) -> int:
    """Consul's weight for that health. A missing or senseless one counts as 1: who is healthy gets calls."""
    passing = max(1, service.weights.passing)
    if health is not Health.WARNING:
        return passing
    return service.weights.warning if service.weights.warning > 0 else when_warning(passing)


def _shared_ids(entries: Iterable[ServiceEntry]) -> frozenset[str]:
    """Ids that need their node's name to be unique.

    Consul's ids are unique for one agent only, and a service registered without one has its name as id. That one gets
    its node's name at once, or the first instance would change its id when the second appears.
    """
    counts = Counter(entry.service.id for entry in entries)
    named = {
        e.service.id for e in entries if e.service.id == e.service.service and MUSTER not in (e.service.meta or {})
    }
    return frozenset(named | {key for key, count in counts.items() if count > 1})
