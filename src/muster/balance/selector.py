"""Which instances of a name a caller wants, so that one watch serves all. Pure; asked on change only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from muster.balance.version import requirement
from muster.model.errors import BadConfiguration
from muster.model.instance import Instance


@dataclass(frozen=True, slots=True)
class Selector:
    """Wants instances that have all the `tags`, a version that `version` allows (`balance.version`: "1.2.0", "1.x",
    ">=1.2,<2"), that speak `protocol` (an unknown one counts as any), whose metadata has all these pairs, in `zone`.
    What is empty is not asked for.
    """

    tags: tuple[str, ...] = ()
    version: str = ""
    protocol: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    zone: str = ""

    def __post_init__(self) -> None:
        """Raises BadConfiguration for a version that is no requirement, and for tags that are one string."""
        object.__setattr__(self, "tags", _several(self.tags))
        if self.version:
            requirement(self.version)

    def why_not(self, instance: Instance) -> str:
        """What keeps an instance from being wanted; empty if nothing does."""
        if not instance.speaks(self.protocol):
            return f"speaking {instance.protocol}, not {self.protocol}"
        if self.version and not requirement(self.version)(instance.version):
            return f"version {instance.version or 'unknown'}, not {self.version}"
        if self.zone and instance.zone != self.zone:
            return f"in zone {instance.zone or 'unknown'}, not {self.zone}"
        for tag in self.tags:
            if tag not in instance.tags:
                return f"without the tag {tag}"
        for key, value in self.metadata.items():
            if instance.metadata.get(key) != value:
                return f"with {key}={instance.metadata.get(key, '')}, not {value}"
        return ""


def _several(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise BadConfiguration(f"tags={tags!r}: expected a list of tags, as in [{tags!r}]")
    return tuple(tags)


ANY = Selector()
"""Wants everybody."""


def wanted(tags: Iterable[str], version: str, metadata: Mapping[str, str] | None, zone: str) -> Selector:
    """What a caller writes, as a Selector. Raises BadConfiguration as it does."""
    return Selector(_several(tags), version, metadata=dict(metadata or {}), zone=zone)
