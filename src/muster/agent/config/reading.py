"""Settings from configuration files."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from muster.agent.api.answer import Refused
from muster.agent.api.registration import validate_meta
from muster.agent.config.definitions import Defined, validate
from muster.agent.config.dns import dns_settings
from muster.agent.config.files import find_files, read_file
from muster.agent.config.keys import ConfigFile, Duration, LimitKeys
from muster.agent.config.spelling import spelled
from muster.agent.dns import DNS
from muster.agent.settings import DEFAULT_DATACENTER, Limits, Settings
from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port
from muster.registry.consul.duration import parse_duration

_log = logging.getLogger("muster.agent.config")

_T = TypeVar("_T")

_LOOPBACK = "127.0.0.1"
_HTTP_PORT = 8500
_LEVELS = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "warning": "warning"}
_LEVELS |= {"err": "error", "error": "error"}


_OPTIONS = "the command line"


def read_settings(
    places: Iterable[Path], options: Mapping[str, Any] | None = None, *, dns: str | None = None
) -> Settings:
    """What the files among `places`, and those in the folders among them, say. Blocks while it reads them.

    Later files win, as in Consul: maps are joined, services and checks of all files count. `options`, keys of a file
    with their values, win over all files; `dns` is where DNS is answered whatever they say. Keys of Consul's that mean
    nothing to one node are named in a warning. Raises BadConfiguration, whose text has the file, the key and, for an
    unknown one, the nearest known one.
    """
    files = [(str(file), _spelled(file)) for file in find_files(places)]
    if options:
        files.append((_OPTIONS, dict(options)))
    each = [(file, _settings(_converted(file, content), file, dns)) for file, content in files]
    joined: dict[str, Any] = {}
    for _, content in files:
        joined = _joined(joined, content)
    together = ", ".join(file for file, _ in files)
    settings = _settings(_converted(together, joined), together, dns)
    validate((Defined(file, said.services, said.checks) for file, said in each), settings.refuse_defined_scripts)
    return settings


def _spelled(file: Path) -> dict[str, Any]:
    content, ignored = spelled(read_file(file), str(file))
    if ignored:
        _log.warning("%s: ignored, since they mean nothing to an agent of one node: %s", file, ", ".join(ignored))
    return content


def _converted(file: str, content: Mapping[str, Any]) -> ConfigFile:
    try:
        return msgspec.convert(content, ConfigFile, strict=False)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise BadConfiguration(f"{file}: {path.rstrip('`') or 'it'}: {what}".replace("`", "")) from None


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {**first, **{key: _join(first.get(key), value) for key, value in second.items()}}


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return _joined(first, second)
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return second


def _settings(said: ConfigFile, files: str, dns: str | None) -> Settings:
    def valid(key: str, value: str | None, check: Callable[[str], _T]) -> _T | None:
        try:
            return None if value is None else check(value)
        except (ValueError, Refused) as error:
            raise BadConfiguration(f"{files}: {key} {value!r}: {error}") from None

    client = valid("client_addr", said.client_addr, _address) or _LOOPBACK
    return Settings(
        http=_http(said, client, files),
        dns=_dns(said, client, files) if dns is None else dns_settings(said, dns, files),
        node=valid("node_name", said.node_name, _node_name),
        node_id=valid("node_id", said.node_id, _node_id),
        node_meta=_node_meta(said.node_meta, files),
        address=valid("advertise_addr", said.advertise_addr, _address) or valid("bind_addr", said.bind_addr, _bound),
        datacenter=valid("datacenter", said.datacenter, _datacenter) or DEFAULT_DATACENTER,
        data_dir=valid("data_dir", said.data_dir, _directory),
        log_level=valid("log_level", said.log_level, _level),
        limits=_limits(said.limits, files),
        enable_script_checks=said.enable_script_checks,
        enable_local_script_checks=said.enable_local_script_checks,
        services=tuple(said.service + said.services),
        checks=tuple(said.check + said.checks),
    )


def _http(said: ConfigFile, client: str, files: str) -> str:
    port = _HTTP_PORT if said.ports.http is None else said.ports.http
    if port < 0:
        raise BadConfiguration(f"{files}: ports.http {port}: without its HTTP port an agent is of no use")
    return join_host_port(said.addresses.http or client, port)


def _dns(said: ConfigFile, client: str, files: str) -> DNS | str | None:
    """Off unless a port is given: Consul's 8600 would be one more thing that keeps two agents from one machine."""
    port = said.ports.dns
    if port is None or port < 0:
        return None
    return dns_settings(said, join_host_port(said.addresses.dns or client, port), files)


def _address(text: str) -> str:
    """One IP address or host name. Consul takes several and templates, too."""
    if not text or not re.fullmatch(r"[\w.:-]+", text):
        raise ValueError("write one IP address or host name")
    return text


def _bound(text: str) -> str | None:
    """What a node gives as its address because its cluster's traffic would go there; a wildcard is none."""
    try:
        return None if ipaddress.ip_address(_address(text)).is_unspecified else text
    except ValueError:
        return _address(text)


def _node_name(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("a name with something to read in it is expected")
    return text


def _node_id(text: str) -> str:
    return str(uuid.UUID(text))


def _datacenter(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("letters, digits, - and _ are allowed")
    return text.lower()


def _directory(text: str) -> str:
    """Not the empty one, which would be the present directory and is rather a variable that nobody set."""
    if not text:
        raise ValueError("the path of a directory is expected")
    return text


def _node_meta(meta: dict[str, str], files: str) -> dict[str, str]:
    try:
        validate_meta(meta, "node_meta")
    except Refused as refused:
        raise BadConfiguration(f"{files}: {refused}") from None
    return meta


def _level(text: str) -> str:
    level = _LEVELS.get(text.lower())
    if level is None:
        raise ValueError("trace, debug, info, warn and error are known")
    return level


def _limits(said: LimitKeys, files: str) -> Limits:
    given = {key: value for key, value in msgspec.structs.asdict(said).items() if value is not None}
    times = {key: _seconds(key, value, files) for key, value in given.items() if key.endswith("_timeout")}
    return replace(Limits(), **{**given, **times})


def _seconds(key: str, value: Duration, files: str) -> float:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise BadConfiguration(f"{files}: limits.{key}: {error}") from None
    if not 0 < seconds < math.inf:
        raise BadConfiguration(f"{files}: limits.{key} {value}: a time above 0 is expected")
    return seconds
