"""What a configuration file says of DNS."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from muster.agent.config.keys import ConfigFile, DNSKeys, Duration
from muster.agent.dns.settings import DNS, Authority
from muster.model.errors import BadConfiguration
from muster.registry.consul.duration import parse_duration

_DOMAIN = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?")


def dns_settings(said: ConfigFile, address: str, files: str) -> DNS | str:
    """DNS at `address` as files want it; the address alone where they say no more. Raises BadConfiguration."""
    more = _given(said.dns_config, files)
    if said.domain is not None:
        more["domain"] = _domain(said.domain, files)
    if said.recursors:
        more["recursors"] = tuple(said.recursors)
    return DNS(address, **more) if more else address


def _given(said: DNSKeys, files: str) -> dict[str, Any]:
    given = {key: value for key, value in msgspec.structs.asdict(said).items() if value is not None}
    for key in ("node_ttl", "recursor_timeout"):
        if key in given:
            given[key] = _seconds(key, given[key], files)
    if said.service_ttl is not None:
        ttls = said.service_ttl.items()
        given["service_ttl"] = {name.lower(): _seconds(f"service_ttl.{name}", ttl, files) for name, ttl in ttls}
    if said.soa is not None:
        given["soa"] = Authority(**msgspec.structs.asdict(said.soa))
    return given


def _domain(text: str, files: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise BadConfiguration(f"{files}: domain {text!r}: a domain name is expected")
    return text


def _seconds(key: str, value: Duration, files: str) -> float:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise BadConfiguration(f"{files}: dns_config.{key}: {error}") from None
    if not 0 <= seconds < math.inf:
        raise BadConfiguration(f"{files}: dns_config.{key} {value}: a time is expected")
    return seconds
