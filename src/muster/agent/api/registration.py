"""A registration from a request, checked by Consul's rules and with its texts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from sys import intern
from typing import Any

import msgspec

from muster.agent.api import mesh
from muster.agent.api.answer import Refused
from muster.agent.catalog.rows import CheckRow, NamedPort, ServiceRow
from muster.agent.checks.definition import SCRIPTS_DISABLED, BadCheck, CheckDefinition, Unsupported, read_definition
from muster.agent.local import NewCheck
from muster.model.check import Health
from muster.registry.consul import wire
from muster.registry.consul.duration import format_duration, parse_duration

_MOST_PAIRS = 64
_LONGEST_KEY = 128
_LONGEST_VALUE = 512
_KEY = re.compile(r"[a-zA-Z0-9_-]+")
LARGEST_WEIGHT = 65535
WILDCARDS = ("0.0.0.0", "::", "[::]")


def service_row(asked: wire.ServiceRegistration, node: str) -> ServiceRow:
    """The instance that a registration asks for. Raises Refused."""
    _validate_service(asked)
    proxy, connect = mesh.proxy_of(asked.proxy), mesh.connect_of(asked.connect)
    mesh.validate(asked.kind, asked.port, proxy, connect, 400)
    weights = asked.weights or wire.Weights(passing=1, warning=1)
    return ServiceRow(
        node=node,
        id=asked.id or asked.name,
        name=intern(asked.name),
        tags=tuple(map(intern, asked.tags or ())),
        address=intern(asked.address),
        port=_port(asked.port, asked.ports),
        meta=_interned(asked.meta or {}),
        tagged_addresses=_tagged_addresses(asked),
        weight_passing=weights.passing,
        weight_warning=weights.warning,
        enable_tag_override=asked.enable_tag_override,
        kind=asked.kind,
        proxy=proxy,
        connect=connect,
        ports=_ports(asked.ports),
    )


def service_checks(
    asked: wire.ServiceRegistration, service: ServiceRow, refuse_scripts: str = SCRIPTS_DISABLED
) -> list[NewCheck]:
    """The checks in a service's registration. Those without an id are numbered if there are several. `refuse_scripts`:
    why no programs may be run, empty where they may. Raises Refused."""
    given = [asked.check] if asked.check is not None and asked.check != wire.ServiceCheck() else []
    given += asked.checks or []
    numbered = len(given) > 1
    return [
        _service_check(
            check,
            service,
            f"service:{service.id}:{number}" if numbered else f"service:{service.id}",
            check_definition(check, refuse_scripts),
        )
        for number, check in enumerate(given, 1)
    ]


def new_check(
    asked: wire.CheckRegistration, node: str, service: ServiceRow | None, refuse_scripts: str = SCRIPTS_DISABLED
) -> NewCheck:
    """The check that a registration asks for, of `service` or, without one, of the node. `refuse_scripts`: why no
    programs may be run, empty where they may. Raises Refused."""
    if not asked.name:
        raise Refused(400, "Missing check name")
    status = _status(asked.status, "Bad check status")
    definition = check_definition(asked, refuse_scripts)
    row = CheckRow(
        node=node,
        id=asked.id or asked.name,
        name=asked.name,
        status=status,
        notes=asked.notes,
        service_id=asked.service_id,
        service_name=service.name if service else "",
        service_tags=service.tags if service else (),
        type=definition.kind.value,
    )
    return NewCheck(row, definition)


def catalog_service_row(asked: wire.CatalogServiceDefinition, node: str) -> ServiceRow:
    """The instance that is written past the agents: much less is checked. Raises Refused."""
    if not asked.service:
        raise Refused(500, "Must provide service name with ID")
    proxy, connect = mesh.proxy_of(asked.proxy), mesh.connect_of(asked.connect)
    mesh.validate(asked.kind, asked.port, proxy, connect, 500)
    given = asked.weights
    weights = given if given is not None and given != wire.Weights() else wire.Weights(passing=1, warning=1)
    addresses = (asked.tagged_addresses or {}).items()
    return ServiceRow(
        node=node,
        id=asked.id or asked.service,
        name=intern(asked.service),
        tags=tuple(map(intern, asked.tags or ())),
        address=intern(asked.address),
        port=_port(asked.port, asked.ports),
        meta=_interned(asked.meta or {}),
        tagged_addresses={tag: (address.address, address.port) for tag, address in addresses},
        weight_passing=weights.passing,
        weight_warning=weights.warning,
        enable_tag_override=asked.enable_tag_override,
        kind=asked.kind,
        proxy=proxy,
        connect=connect,
        ports=_ports(asked.ports),
    )


def _ports(asked: list[wire.ServicePort] | None) -> tuple[NamedPort, ...]:
    return tuple(NamedPort(each.name, each.port, each.default) for each in asked or ())


def _port(port: int, ports: list[wire.ServicePort] | None) -> int:
    """The port for those who know of one alone: the one given, else the default among several, else the first."""
    if port or not ports:
        return port
    return next((each.port for each in ports if each.default), ports[0].port)


def catalog_check_row(asked: wire.CatalogCheck, node: str) -> CheckRow:
    """The check that is written past the agents, which nobody runs. Raises Refused."""
    definition = asked.definition or wire.CatalogCheckDefinition()
    return CheckRow(
        node=node,
        id=asked.check_id or asked.name,
        name=asked.name,
        status=asked.status or Health.CRITICAL,
        notes=asked.notes,
        output=asked.output,
        service_id=asked.service_id,
        type=asked.type or _kind_of(definition),
        definition=_shown_definition(definition),
    )


def _kind_of(definition: wire.CatalogCheckDefinition) -> str:
    kinds = (("http", definition.http), ("tcp", definition.tcp))
    return next((kind for kind, target in kinds if target), "")


def _shown_definition(definition: wire.CatalogCheckDefinition) -> dict[str, Any]:
    """What was said of how a check is made, with its durations as Go prints them."""
    shown = {key: value for key, value in msgspec.to_builtins(definition).items() if value}
    for key in ("Interval", "Timeout", "DeregisterCriticalServiceAfter"):
        if key in shown:
            shown[key] = format_duration(_seconds(shown[key]))
    return shown


def _seconds(value: str | float) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Refused(400, f"Request decode failed: {error}") from None


def check_definition(asked: wire.CheckDefinition, refuse_scripts: str = SCRIPTS_DISABLED) -> CheckDefinition:
    """How a check is made. Raises Refused."""
    try:
        return read_definition(asked, refuse_scripts)
    except BadCheck as error:
        raise Refused(400, f"Invalid check: {error}") from None
    except Unsupported as error:
        raise Refused(500, str(error)) from None
    except ValueError as error:
        raise Refused(400, f"Request decode failed: {error}") from None


def _service_check(
    asked: wire.ServiceCheck, service: ServiceRow, default_id: str, definition: CheckDefinition
) -> NewCheck:
    row = CheckRow(
        node=service.node,
        id=asked.check_id or default_id,
        name=intern(asked.name or f"Service '{service.name}' check"),
        status=_status(asked.status, "Status for checks must 'passing', 'warning', 'critical'"),
        notes=asked.notes,
        service_id=service.id,
        service_name=service.name,
        service_tags=service.tags,
        type=definition.kind.value,
    )
    return NewCheck(row, definition)


def _status(status: str, complaint: str) -> Health:
    if status and status not in set(Health):
        raise Refused(400, complaint)
    return Health(status or Health.CRITICAL)


def _validate_service(asked: wire.ServiceRegistration) -> None:
    if not asked.name:
        raise Refused(400, "Missing service name")
    if asked.address in WILDCARDS:
        raise Refused(400, "Invalid service address")
    if not -(2**63) <= asked.port < 2**63:
        raise Refused(
            400,
            f"Request decode failed: json: cannot unmarshal number {asked.port} into Go struct field .Port of type int",
        )
    if asked.weights is not None:
        _validate_weights(asked.weights)
    validate_meta(asked.meta or {}, "Service Meta")


def _validate_weights(weights: wire.Weights) -> None:
    if weights.passing < 1:
        raise Refused(400, "Invalid Weights: Passing must be greater than 0")
    if weights.warning < 0:
        raise Refused(400, "Invalid Weights: Warning must be greater or equal than 0")
    if max(weights.passing, weights.warning) > LARGEST_WEIGHT:
        raise Refused(400, "Invalid Weights: DNS Weight must be between 0 and 65535")


def validate_meta(meta: Mapping[str, str], what: str) -> None:
    """Raises Refused, whose text names `what`, for metadata that Consul does not take."""
    if len(meta) > _MOST_PAIRS:
        raise Refused(400, f"Invalid {what}: Node metadata cannot contain more than {_MOST_PAIRS} key/value pairs")
    for key, value in meta.items():
        why = _why_not(key, value)
        if why:
            raise Refused(400, f"Invalid {what}: Couldn't load metadata pair ('{key}', '{value}'): {why}")


def _why_not(key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if not _KEY.fullmatch(key):
        return "Key contains invalid characters"
    if len(key) > _LONGEST_KEY:
        return f"Key is too long (limit: {_LONGEST_KEY} characters)"
    if key.startswith("consul-"):
        return "Key prefix 'consul-' is reserved for internal use"
    if len(value.encode()) > _LONGEST_VALUE:
        return f"Value is too long (limit: {_LONGEST_VALUE} characters)"
    return ""


def _tagged_addresses(asked: wire.ServiceRegistration) -> dict[str, tuple[str, int]]:
    """Those given, and those that an IP address stands for by itself."""
    tagged = {tag: (given.address, given.port) for tag, given in (asked.tagged_addresses or {}).items()}
    try:
        family = f"ipv{ipaddress.ip_address(asked.address).version}"
    except ValueError:
        return tagged
    place = (intern(asked.address), asked.port)
    for network in ("lan", "wan"):
        tagged.setdefault(intern(f"{network}_{family}"), place)
    return tagged


def _interned(meta: Mapping[str, str]) -> dict[str, str]:
    """The same, of strings that all instances share: they take a tenth of the memory of a hundred thousand of them."""
    return {intern(key): intern(value) for key, value in meta.items()}
