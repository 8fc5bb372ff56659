"""What is written to a registry, and which names, ids and metadata may be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from muster.model.check import Check
from muster.model.errors import Rejected
from muster.model.instance import Instance

MAX_NAME = 128
MAX_METADATA = 64
MAX_METADATA_KEY = 128
MAX_METADATA_VALUE = 512
"""Consul refuses more metadata than this; so does every muster registry, so that code can move between them."""

RESERVED_METADATA = frozenset({"muster", "protocol", "version", "zone"})
"""Keys under which registries keep what an instance says of itself elsewhere."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_METADATA_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Registration:
    """An instance, how it is checked, and when a registry should forget it.

    Every check starts as passing: a service registers once its own register check has passed, and a registry's first
    look may be a whole interval away. `deregister_after`: seconds that the instance may stay critical before the
    registry removes it (Consul's minimum is 60 and it looks every 30 s).
    """

    instance: Instance
    checks: tuple[Check, ...] = ()
    deregister_after: float = 60.0

    def validate(self) -> None:
        """Raises Rejected, which names the field at fault."""
        check_name(self.instance.service)
        _check_instance(self.instance)
        names = [check.name for check in self.checks]
        if len(set(names)) < len(names):
            raise Rejected(f"instance {self.instance.id!r}: two checks have the same name: {names}")


def check_name(name: str) -> None:
    """Raises Rejected unless `name` can name a service: letters, digits, `.`, `_`, `-`; 1 to 128 characters."""
    if not name:
        raise Rejected("a service needs a name: it is empty")
    if len(name) > MAX_NAME:
        raise Rejected(f"service name {name[:20]!r}… has {len(name)} characters, {MAX_NAME} are allowed")
    if not _NAME.fullmatch(name):
        raise Rejected(
            f"service name {name!r} cannot be used: only letters, digits, '.', '_' and '-', "
            "and a letter or digit at both ends"
        )


def _check_types(instance: Instance, where: str) -> None:
    """A number where text belongs is an easy slip (`version=1.2`), of which a registry tells no more than a type."""
    texts: list[tuple[str, object]] = [("version", instance.version), ("zone", instance.zone)]
    texts += [("tag", tag) for tag in instance.tags]
    texts += [("metadata key", key) for key in instance.metadata]
    texts += [(f"metadata {key!r}", value) for key, value in instance.metadata.items()]
    for field, value in texts:
        if not isinstance(value, str):
            raise Rejected(f"{where}: {field} {value!r} is no string: write {str(value)!r}")
    if not isinstance(instance.weight, int):
        raise Rejected(f"{where}: weight {instance.weight!r} is no whole number")


def _check_instance(instance: Instance) -> None:
    where = f"instance {instance.id!r} of {instance.service!r}"
    if not instance.id or any(c.isspace() or c in "/?#" or not c.isprintable() for c in instance.id):
        raise Rejected(f"{where}: the id must not be empty or contain blanks, '/', '?' or '#'")
    _check_types(instance, where)
    if not 1 <= instance.port <= 65535:
        raise Rejected(f"{where}: port {instance.port} is not a port (1 to 65535): has it been bound yet?")
    if instance.host in ("0.0.0.0", "::"):
        raise Rejected(f"{where}: {instance.host} is no address that others can connect to: set advertise=")
    if instance.weight < 1:
        raise Rejected(f"{where}: weight {instance.weight} is below 1")
    if len(instance.metadata) > MAX_METADATA:
        raise Rejected(f"{where}: {len(instance.metadata)} pairs of metadata, {MAX_METADATA} are allowed")
    reserved = sorted(RESERVED_METADATA & instance.metadata.keys())
    if reserved:
        raise Rejected(f"{where}: metadata {reserved[0]!r} is muster's own key: choose another name")
    for key, value in instance.metadata.items():
        if not _METADATA_KEY.fullmatch(key) or len(key) > MAX_METADATA_KEY:
            raise Rejected(f"{where}: metadata key {key[:40]!r} must be 1 to 128 of letters, digits, '_' and '-'")
        if len(value) > MAX_METADATA_VALUE:
            raise Rejected(f"{where}: metadata {key!r} has {len(value)} characters, {MAX_METADATA_VALUE} are allowed")
