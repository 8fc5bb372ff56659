"""How Consul's answers are read: instances as muster knows them, also those that others registered.

One entry that cannot be used must not cost the rest: it is set aside, with a text that says why. An entry that comes
again byte for byte is not read again: in a large set one instance changes at a time, and Consul sends all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec

from muster.model.check import CheckState, Health, worst
from muster.model.instance import GRPC, HTTP, UNKNOWN, Instance
from muster.model.snapshot import SetAside
from muster.registry.consul import gomicro
from muster.registry.consul.mapping import MUSTER, OWN_META, PROTOCOL, VERSION, ZONE, check_id
from muster.registry.consul.wire import CatalogServices, HealthCheck, NodeService, ServiceEntry
from muster.registry.weight import when_warning

_PROTOCOLS = frozenset({GRPC, HTTP, "mucp"})
"""What a foreign entry's `protocol` may mean to us. Others write "tcp" or "https" there: that counts as unknown."""


UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a body that is not the JSON expected."""


MOST_SET_ASIDE = 1000
"""Entries of one answer that are told of one by one; more of them are one fault, of whoever writes them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer for one name held. `set_aside`: the entries that cannot be used, and why."""

    instances: tuple[Instance, ...]
    set_aside: tuple[SetAside, ...] = ()

    @property
    def anybody(self) -> bool:
        """Whether anything at all is registered, usable or not."""
        return bool(self.instances or self.set_aside)


class InstanceReader:
    """Reads the answers of /v1/health/service/NAME, one after the other; may be called on any thread, one at a time.

    An instance whose entry has not changed is the same object as in the answer before. For 10,000 entries (14 MB) the
    first answer takes about 300 ms of CPU, one in which a single entry changed 65 ms. 15 ms of that, to split the JSON
    into entries, are one piece, in which no other thread runs (`bench/large_answer.py`).
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._digests: list[bytes] = []
        self._known: dict[bytes, _Read] = {}
        self._reading = Reading(())

    def read(self, body: bytes) -> Reading:
        """The instances in an answer, sorted by id. Raises one of UNDECODABLE where `body` is no JSON list at all."""
        entries = _raw_entries.decode(body) or ()
        digests = [blake2b(raw, digest_size=16).digest() for raw in entries]
        if digests != self._digests:
            pairs = zip(digests, entries, strict=True)
            known = {digest: self._known.get(digest) or _read(self._name, raw) for digest, raw in pairs}
            self._reading = _together([known[digest] for digest in digests])
            self._digests, self._known = digests, known
        return self._reading


def read_instances(name: str, body: bytes) -> Reading:
    """What a single answer holds, as `InstanceReader.read`."""
    return InstanceReader(name).read(body)


def read_names(body: bytes) -> Mapping[str, frozenset[str]]:
    """Names and tags in an answer of /v1/catalog/services. Raises one of UNDECODABLE where it is something else."""
    services = msgspec.json.decode(body, type=CatalogServices | None)
    return {name: frozenset(tags or ()) for name, tags in (services or {}).items()}


_raw_entries = msgspec.json.Decoder(list[msgspec.Raw] | None)
_entry = msgspec.json.Decoder(ServiceEntry)


@dataclass(frozen=True, slots=True)
class _Read:
    """One entry, read by itself: an instance, or why there is none.

    `ambiguous`: the id is the service's name, so that it needs the node's name to be unique.
    """

    node: str
    instance: Instance | None = None
    ambiguous: bool = False
    set_aside: SetAside | None = None


def _read(name: str, raw: msgspec.Raw) -> _Read:
    try:
        entry = _entry.decode(raw)
    except UNDECODABLE as error:
        return _Read("", set_aside=SetAside(_start(raw), str(error)))
    node, service = entry.node.node, entry.service
    if fault := _fault(entry):
        return _Read(node, set_aside=SetAside(_place(service.id, node), fault))
    ambiguous = service.id == service.service and MUSTER not in (service.meta or {})
    return _Read(node, _instance(name, entry), ambiguous)


def _start(raw: msgspec.Raw) -> str:
    """Enough of an entry that cannot be decoded to find it by."""
    found = _ID.search(bytes(raw))
    return repr(found[1][:100].decode(errors="replace")) if found else bytes(raw)[:60].decode(errors="replace")


_ID = re.compile(rb'"Service"\s*:\s*\{\s*"ID"\s*:\s*"([^"]+)"')


def _place(instance_id: str, node: str) -> str:
    return f"{instance_id!r} on node {node!r}"


def _together(reads: list[_Read]) -> Reading:
    """The entries of one answer beside each other: ids made unique where nodes share them, second ones set aside.

    Consul's ids are unique for one agent only, and a service registered without one has its name as id. That one gets
    its node's name at once, or the first instance would change its id when the second appears.
    """
    nodes = Counter(key for key, _ in {(read.instance.id, read.node) for read in reads if read.instance})
    instances: dict[str, Instance] = {}
    set_aside: list[SetAside] = []
    for read in reads:
        if read.set_aside:
            set_aside.append(read.set_aside)
        elif instance := read.instance:
            key = f"{instance.id}@{read.node}" if read.ambiguous or nodes[instance.id] > 1 else instance.id
            if key in instances:
                set_aside.append(SetAside(_place(instance.id, read.node), "an entry before it has the same id"))
            else:
                instances[key] = instance if key == instance.id else replace(instance, id=key)
    return Reading(tuple(instances[key] for key in sorted(instances)), _bounded(set_aside))


def _bounded(set_aside: list[SetAside]) -> tuple[SetAside, ...]:
    rest = len(set_aside) - MOST_SET_ASIDE
    if rest <= 0:
        return tuple(set_aside)
    return (*set_aside[:MOST_SET_ASIDE], SetAside(f"{rest} more entries", "as many before them cannot be used either"))


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


_MAINTENANCE = ("_service_maintenance:", "_node_maintenance")


def _instance(name: str, entry: ServiceEntry) -> Instance:
    service = entry.service
    meta = service.meta or {}
    tags = tuple(service.tags or ())
    states = [_state(service.id, check) for check in entry.checks or ()]
    health = worst(tuple(state.health for state in states))
    known = _by_muster(meta) if MUSTER in meta else _by_others(meta, tags)
    return Instance(
        id=service.id,
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
    in_maintenance = check.check_id.startswith(_MAINTENANCE)
    output = check.notes if in_maintenance else check.output  # where Consul keeps the reason that was given
    return CheckState(check.check_id.removeprefix(check_id(instance_id, "")), health, output)


def _weight(service: NodeService, health: Health) -> int:
    """Consul's weight for that health. A missing or senseless one counts as 1: who is healthy gets calls."""
    passing = max(1, service.weights.passing)
    if health is not Health.WARNING:
        return passing
    return service.weights.warning if service.weights.warning > 0 else when_warning(passing)
