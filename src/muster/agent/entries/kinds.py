"""The kinds of config entries that Consul 1.8 knows: what each looks like, and the rules that it must keep by itself.

What several entries say together (whether a router's service speaks HTTP, whether a subset that another names is
there) is not looked at: nothing here routes by it.
Source: https://developer.hashicorp.com/consul/docs/connect/config-entries and the answers of Consul 1.8.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from muster.agent.entries.shape import (
    Key,
    Problems,
    Read,
    anything,
    by_name,
    decimal,
    duration,
    flag,
    many,
    struct,
    text,
    whole,
)

Fields = dict[str, Any]


class BadEntry(ValueError):
    """An entry breaks a rule of its kind; the text is Consul's."""


class UnknownKind(ValueError):
    """There is no such kind; the text is Consul's."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"invalid config entry kind: {kind}")


class Kind(NamedTuple):
    """How an entry is read, and what puts its fields in order or raises BadEntry."""

    read: Read
    settle: Callable[[Fields], None]


_LISTENER_PROTOCOLS = ("tcp", "http", "http2", "grpc")
MESH_GATEWAY = Key("MeshGateway", struct(Key("Mode", text)), {}, always=True)
_PATH = struct(
    Key("ListenerPort", whole),
    Key("Path", text),
    Key("LocalPathPort", whole),
    Key("Protocol", text),
    Key("ParsedFromCheck", flag, False, always=True),
)
EXPOSE = Key("Expose", struct(Key("Checks", flag), Key("Paths", many(_PATH))), {}, always=True)
_MATCHED = (Key("Name", text), Key("Present", flag), Key("Exact", text), Key("Regex", text))
_HEADER = struct(*_MATCHED, Key("Prefix", text), Key("Suffix", text), Key("Invert", flag))
_HTTP = struct(
    Key("PathExact", text),
    Key("PathPrefix", text),
    Key("PathRegex", text),
    Key("Header", many(_HEADER)),
    Key("QueryParam", many(struct(*_MATCHED))),
    Key("Methods", many(text)),
)
_DESTINATION = struct(
    Key("Service", text),
    Key("ServiceSubset", text),
    Key("Namespace", text, "default", always=True),
    Key("PrefixRewrite", text),
    Key("RequestTimeout", duration),
    Key("NumRetries", whole),
    Key("RetryOnConnectFailure", flag),
    Key("RetryOnStatusCodes", many(whole)),
)
_ROUTE = struct(Key("Match", struct(Key("HTTP", _HTTP))), Key("Destination", _DESTINATION))
_SPLIT = struct(
    Key("Weight", decimal, 0, always=True), Key("Service", text), Key("ServiceSubset", text), Key("Namespace", text)
)
_SUBSET = struct(Key("Filter", text), Key("OnlyPassing", flag))
_REDIRECT = struct(Key("Service", text), Key("ServiceSubset", text), Key("Namespace", text), Key("Datacenter", text))
_FAILOVER = struct(
    Key("Service", text), Key("ServiceSubset", text), Key("Namespace", text), Key("Datacenters", many(text))
)
_LISTENED = struct(Key("Name", text, "", always=True), Key("Hosts", many(text), always=True), Key("Namespace", text))
_LISTENER = struct(
    Key("Port", whole, 0, always=True),
    Key("Protocol", text, "", always=True),
    Key("Services", many(_LISTENED), always=True),
)
_LINKED = struct(
    Key("Namespace", text),
    Key("Name", text),
    Key("CAFile", text),
    Key("CertFile", text),
    Key("KeyFile", text),
    Key("SNI", text),
)


def _entry(*keys: Key) -> Read:
    """What every entry has: its kind and name, and indexes, which are taken and ignored."""
    own = (Key("Kind", text, "", always=True), Key("Name", text, "", always=True))
    return struct(*own, *keys, Key("Meta", by_name(text)), Key("CreateIndex", whole), Key("ModifyIndex", whole))


def _service_defaults(entry: Fields) -> None:
    if not entry["Name"]:
        raise BadEntry("serviceName is required")
    entry["Protocol"] = entry["Protocol"].lower()


def _proxy_defaults(entry: Fields) -> None:
    """There is one, whatever it is called."""
    entry["Name"] = "global"


def _named(entry: Fields) -> None:
    if not entry["Name"]:
        raise BadEntry("Name is required")


def _splitter(entry: Fields) -> None:
    _named(entry)
    if not entry["Splits"]:
        raise BadEntry("no splits configured")
    total = sum(split["Weight"] for split in entry["Splits"])
    if round(total * 100) != 10_000:
        raise BadEntry(f"the sum of all split weights must be 100, not {total:f}")


def _resolver(entry: Fields) -> None:
    _named(entry)
    default, timeout = entry.get("DefaultSubset"), entry.get("ConnectTimeout", "")
    if default and default not in entry.get("Subsets", {}):
        raise BadEntry(f'DefaultSubset "{default}" is not a valid subset')
    if timeout.startswith("-"):
        raise BadEntry(f"Bad ConnectTimeout '{timeout}', must be >= 0")


def _ingress_gateway(entry: Fields) -> None:
    for listener in entry["Listeners"] or ():
        port, protocol = listener["Port"], listener["Protocol"] = listener["Port"], listener["Protocol"] or "tcp"
        if protocol not in _LISTENER_PROTOCOLS:
            raise BadEntry(
                f"protocol must be 'tcp', 'http', 'http2', or 'grpc'. '{protocol}' is an unsupported protocol"
            )
        if not listener["Services"]:
            raise BadEntry(f"No service declared for listener with port {port}")
        if protocol != "http" and any(service["Name"] == "*" for service in listener["Services"]):
            raise BadEntry(f"Wildcard service name is only valid for protocol = 'http' (listener on port {port})")


def _terminating_gateway(entry: Fields) -> None:
    seen: set[str] = set()
    for service in entry["Services"] or ():
        name = service.get("Name", "")
        if not name:
            raise BadEntry("Service name cannot be blank.")
        if name in seen:
            raise BadEntry(f'Service "{name}" was specified more than once within a namespace')
        seen.add(name)
        files = [key in service for key in ("CertFile", "KeyFile")]
        if any(files) and not (all(files) and "CAFile" in service):
            raise BadEntry(f'Service "{name}" must have a CertFile, CAFile, and KeyFile specified for TLS origination')


KINDS: Mapping[str, Kind] = {
    "service-defaults": Kind(
        _entry(Key("Protocol", text, "", always=True), MESH_GATEWAY, EXPOSE, Key("ExternalSNI", text)),
        _service_defaults,
    ),
    "proxy-defaults": Kind(_entry(Key("Config", anything, always=True), MESH_GATEWAY, EXPOSE), _proxy_defaults),
    "service-router": Kind(_entry(Key("Routes", many(_ROUTE), always=True)), _named),
    "service-splitter": Kind(_entry(Key("Splits", many(_SPLIT), always=True)), _splitter),
    "service-resolver": Kind(
        _entry(
            Key("DefaultSubset", text),
            Key("Subsets", by_name(_SUBSET)),
            Key("Redirect", _REDIRECT),
            Key("Failover", by_name(_FAILOVER)),
            Key("ConnectTimeout", duration),
        ),
        _resolver,
    ),
    "ingress-gateway": Kind(
        _entry(
            Key("TLS", struct(Key("Enabled", flag, False, always=True)), {"Enabled": False}, always=True),
            Key("Listeners", many(_LISTENER), always=True),
        ),
        _ingress_gateway,
    ),
    "terminating-gateway": Kind(_entry(Key("Services", many(_LINKED), always=True)), _terminating_gateway),
}


def require_kind(kind: str) -> None:
    """Raises UnknownKind."""
    if kind not in KINDS:
        raise UnknownKind(kind)


def read_entry(kind: str, value: Mapping[str, Any]) -> Fields:
    """The fields of an entry, as Consul writes them, without its indexes. Raises UnknownKind, BadShape and BadEntry."""
    require_kind(kind)
    problems = Problems()
    fields: Fields = KINDS[kind].read(value, "", problems)
    problems.raise_any()
    KINDS[kind].settle(fields)
    return {key: inner for key, inner in fields.items() if key not in ("CreateIndex", "ModifyIndex")}
