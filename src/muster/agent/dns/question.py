"""A question, and what of the registry its name asks for.

The forms of names are Consul's (https://developer.hashicorp.com/consul/docs/services/discovery/dns-static-lookups):
`[TAG.]NAME.service[.DATACENTER].DOMAIN` and so on. The part before the datacenter that says what is asked for is looked
for from the end, so that a service may be called `node`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Question:
    """`labels` are those of the name as the client wrote it, `kind` the type of record that it wants, as text."""

    labels: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        return ".".join(self.labels)


class ServiceName(NamedTuple):
    """The instances of a service, or with a tag those that have it."""

    name: str
    tag: str = ""


class ConnectName(NamedTuple):
    """What takes calls for a service over Connect."""

    name: str


class NodeName(NamedTuple):
    """A node, of this datacenter or of another one, where none is known."""

    name: str
    here: bool = True


class QueryName(NamedTuple):
    """A prepared query."""

    name: str


class AddressName(NamedTuple):
    """An address that is written in hexadecimal digits."""

    digits: str


Asked = ServiceName | ConnectName | NodeName | QueryName | AddressName

_KINDS = frozenset(("service", "connect", "node", "query", "addr"))


def within(labels: tuple[str, ...], domain: str) -> tuple[str, ...] | None:
    """The labels before `domain`, in lower case; None for a name outside it."""
    lower = tuple(label.lower() for label in labels)
    own = tuple(domain.lower().strip(".").split("."))
    return lower[: -len(own)] if lower[-len(own) :] == own else None


def asked(labels: tuple[str, ...], kind: str, datacenter: str) -> Asked | None:
    """What a name within the domain asks for; None for nothing that there could be."""
    for at in reversed(range(len(labels))):
        if labels[at] in _KINDS:
            return _asked(labels[at], labels[:at], labels[at + 1 :], datacenter)
        if kind == "SRV" and labels[at].startswith("_"):
            return _asked("service", labels[: at + 1], labels[at + 1 :], datacenter)
    return None


def _asked(what: str, before: tuple[str, ...], behind: tuple[str, ...], datacenter: str) -> Asked | None:
    if what == "addr":
        return AddressName(before[0]) if len(before) == 1 else None
    here = behind in ((), (datacenter.lower(),))
    if before and what == "node" and len(behind) < 2:
        return NodeName(".".join(before), here)
    if not before or not here:
        return None
    if what == "connect":
        return ConnectName(before[-1])
    return QueryName(".".join(before)) if what == "query" else _service(before)


def _service(labels: tuple[str, ...]) -> ServiceName:
    """`_NAME._TAG` of RFC 2782, whose protocol `_tcp` is no tag, or `TAG.NAME`; a tag may have dots."""
    if len(labels) == 2 and all(label.startswith("_") for label in labels):
        tag = labels[1][1:]
        return ServiceName(labels[0][1:], "" if tag == "tcp" else tag)
    return ServiceName(labels[-1], ".".join(labels[:-1]))
