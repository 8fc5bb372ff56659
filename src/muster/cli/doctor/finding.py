"""One finding: how bad, about what, what was seen, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`todo` is empty where nothing is to be done. `orphan`: the id of an instance that --fix would deregister."""

    level: Level
    about: str
    seen: str
    todo: str = ""
    orphan: str = ""
