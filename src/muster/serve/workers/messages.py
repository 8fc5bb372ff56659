"""What a worker and the process that started it tell each other. Pickled: both ends are one version of one program."""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.service import Registration
from muster.serve.mode import Mode
from muster.serve.settings import Timing
from muster.serve.standing import Standing


@dataclass(frozen=True, slots=True)
class Wanted:
    """From a worker: it serves `name` at an address that it shares with the others, and needs to know as what.
    `host` and `port` as the author wrote them."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Given:
    """To a worker: the answer. The instance's id and the port that is bound, or why it cannot be."""

    instance_id: str = ""
    port: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Connected:
    """To a worker: a connection to the shared address, which goes with this message."""


@dataclass(frozen=True, slots=True)
class Announced:
    """From a worker that is about to serve: what it registers by itself, and what is to be registered for all of them.
    `registry`: the URL, None for the default."""

    own: tuple[Registration, ...]
    shared: Registration | None
    registry: str | None
    mode: Mode
    timing: Timing


@dataclass(frozen=True, slots=True)
class Condition:
    """From a worker: whether it is well; from the first `ready` on, it serves. `known`: the registry has it, or does
    not need to. `why` it is not ready."""

    ready: bool
    known: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """From a worker: it takes no connections any more."""


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """From a worker, about once a second: its event loop runs."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker that ends: why, and with which exit status."""

    why: str
    status: int


@dataclass(frozen=True, slots=True)
class Go:
    """To a worker: drain and end within so many seconds; a second time: in a hurry. `alone`: others stay."""

    seconds: float
    alone: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """To a worker: where the shared registration stands."""

    standing: Standing


FromWorker = Wanted | Announced | Condition | Closed | SignOfLife | Failed
ToWorker = Given | Connected | Go | Registered
Message = FromWorker | ToWorker
