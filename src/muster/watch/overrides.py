"""Sending a name elsewhere without a deploy: to fixed addresses, to DNS, or through a mesh.

For incidents and for local work against a remote registry. Two sources, the environment first:

    MUSTER_OVERRIDE_GREETER=127.0.0.1:9000      # one name; letters in upper case, all else '_'; several with commas
    MUSTER_OVERRIDES=/etc/muster/overrides.toml # many names; TOML, or JSON of the same shape; read again on change

    [greeter]
    addresses = ["10.0.0.7:9000", "10.0.0.8:9000"]
    retries = false
    [orders]
    dns = "orders.internal:8080"
    [users]
    passthrough = "users.mesh:80"      # the mesh balances and retries: muster does neither
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muster.model.errors import BadConfiguration
from muster.model.instance import Instance, split_host_port
from muster.registry.protocol import Discovery
from muster.registry.resolved import Resolved
from muster.registry.static import Static
from muster.watch.latest import Latest

log = logging.getLogger("muster.overrides")

POLL = 2.0
"""Seconds between looks at the file: an override is in force within 5 s of being written."""

MAX_FILE = 1 << 20
"""Bytes; a file larger than this is no list that a person wrote."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Override:
    """Where a name is to be found instead, and what its calls do without. No place at all: the registry's answer."""

    name: str
    addresses: tuple[Address, ...] = ()
    dns: Address | None = None
    passthrough: Address | None = None
    retries: bool = True
    hedging: bool = True
    ejection: bool = True

    def source(self) -> Discovery | None:
        """Who answers for the name: None for the registry."""
        if self.dns is not None:
            return Resolved(*self.dns)
        places = self.addresses or ((self.passthrough,) if self.passthrough else ())
        if not places:
            return None
        return Static({self.name: [instance_at(self.name, host, port) for host, port in places]})


def instance_at(name: str, host: str, port: int) -> Instance:
    """The instance that an address alone stands for: any protocol, always healthy, its id its address."""
    at = Instance(id="", service=name, host=host, port=port).address
    return Instance(id=f"{name}@{at}", service=name, host=host, port=port)


def parse(document: object, source: str) -> dict[str, Override]:
    """The overrides in a decoded file. Raises BadConfiguration that says where in `source` the fault is."""
    if not isinstance(document, dict):
        raise BadConfiguration(f"{source}: expected a table for each service name")
    return {str(name): _override(str(name), entry, f"{source}: [{name}]") for name, entry in document.items()}


def _override(name: str, entry: object, where: str) -> Override:
    if not isinstance(entry, dict):
        raise BadConfiguration(f"{where}: expected a table, found {entry!r}")
    fields: dict[str, Any] = {}
    for key, value in entry.items():
        if key in ("retries", "hedging", "ejection"):
            if not isinstance(value, bool):
                raise BadConfiguration(f"{where} {key}: expected true or false, found {value!r}")
            fields[key] = value
        elif key == "addresses":
            if not isinstance(value, list) or not value:
                raise BadConfiguration(f"{where} addresses: expected a list of HOST:PORT, found {value!r}")
            fields[key] = tuple(_address(item, f"{where} {key}") for item in value)
        elif key in ("dns", "passthrough"):
            fields[key] = _address(value, f"{where} {key}")
        else:
            raise BadConfiguration(
                f"{where}: unknown key {key!r}; known: addresses, dns, passthrough, retries, hedging, ejection"
            )
    if sum(key in fields for key in ("addresses", "dns", "passthrough")) > 1:
        raise BadConfiguration(f"{where}: only one of addresses, dns and passthrough can be used")
    if "passthrough" in fields:
        fields = {"retries": False, "hedging": False, "ejection": False} | fields
    return Override(name, **fields)


def _address(text: object, where: str) -> Address:
    try:
        host, port = split_host_port(str(text).strip())
    except ValueError as error:
        raise BadConfiguration(f"{where}: {error}") from None
    if not host or not port:
        raise BadConfiguration(f"{where}: {text!r} needs a host and a port above 0")
    return host, port


def from_environment(environ: Mapping[str, str], name: str) -> Override | None:
    """The override of one name in the environment, or None."""
    key = "MUSTER_OVERRIDE_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    text = environ.get(key, "").strip()
    if not text:
        return None
    return Override(name, tuple(_address(part, key) for part in text.split(",")))


@dataclass(slots=True)
class Overrides:
    """The overrides in force. `file` is read by `load` and again by `poll` whenever it changes."""

    file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _table: Latest[dict[str, Override]] = field(default_factory=lambda: Latest(dict[str, Override]()))
    _seen: tuple[float, int, int] | None = None

    @classmethod
    def configured(cls, environ: Mapping[str, str] = os.environ) -> Overrides:
        """What the environment asks for. Reads the file; raises BadConfiguration where it cannot be used."""
        path = environ.get("MUSTER_OVERRIDES", "").strip()
        overrides = cls(Path(path) if path else None, environ)
        overrides.load()
        return overrides

    def of(self, name: str) -> Override | None:
        """The override of `name` now. Raises BadConfiguration for one in the environment that cannot be used."""
        return from_environment(self.environ, name) or self._table.value.get(name)

    async def changed(self, name: str, override: Override | None) -> None:
        """Returns when the override of `name` is no longer `override`."""
        async for _ in self._table:
            if self.of(name) != override:
                return

    def load(self) -> None:
        """Read the file if it has changed. A file that is gone is an empty one: it was the way to end an override."""
        if self.file is None:
            return
        seen = _fingerprint(self.file)
        if seen == self._seen:
            return
        table = {} if seen is None else parse(_read(self.file), str(self.file))
        self._seen = seen
        self._table.set(table)
        log.info("overrides from %s: %s", self.file, ", ".join(sorted(table)) or "none")

    async def poll(self) -> None:
        """Load the file whenever it changes, until cancelled. A faulty one is told once and changes nothing."""
        told = ""
        while self.file is not None:
            try:
                self.load()
                told = ""
            except BadConfiguration as error:
                if str(error) != told:
                    log.warning("overrides stay as they were: %s", error)
                told = str(error)
            await asyncio.sleep(POLL)


def _fingerprint(path: Path) -> tuple[float, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadConfiguration(f"MUSTER_OVERRIDES: cannot read {path}: {error.strerror}") from None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise BadConfiguration(f"{path}: larger than {MAX_FILE} bytes")
        return json.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except OSError as error:
        raise BadConfiguration(f"MUSTER_OVERRIDES: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise BadConfiguration(f"{path}: {error}") from None
