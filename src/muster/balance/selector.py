"""Which instances of a name a caller wants, so that one watch serves all. Pure; asked on change only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from muster.balance.version import requirement
from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.typed import check_types, expect


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
        """Raises BadConfiguration for a version that is no requirement, and for what is not text or is one text in the
        place of several."""
        check_types(self)
        object.__setattr__(self, "tags", several("tags", self.tags))
        object.__setattr__(self, "metadata", _pairs(self.metadata))
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


def several(what: str, given: Iterable[str]) -> tuple[str, ...]:
    """The texts that were `given` for the argument `what`. Raises BadConfiguration for one text in their place, whose
    letters would be taken for them, and for what is no text."""
    if isinstance(given, str):
        raise BadConfiguration(f"{what}={given!r}: expected a list, as in [{given!r}]")
    texts = tuple(given)
    if not all(isinstance(text, str) for text in texts):
        raise BadConfiguration(f"{what}={list(texts)!r}: expected texts")
    return texts


def _pairs(metadata: Mapping[str, str]) -> dict[str, str]:
    expect("Selector(metadata=", metadata, Mapping, "a dict of texts")
    pairs = dict(metadata)
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise BadConfiguration(f"metadata={pairs!r}: expected texts, as the registry has them")
    return pairs


ANY = Selector()
"""Wants everybody."""


def wanted(tags: Iterable[str], version: str, metadata: Mapping[str, str] | None, zone: str) -> Selector:
    """What a caller writes, as a Selector. Raises BadConfiguration as it does."""
    return Selector(several("tags", tags), version, metadata=metadata or {}, zone=zone)
