"""The handler classes of a service, and what they are made of: built when the service starts."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from muster.model.endpoint import Endpoint
from muster.model.errors import Rejected
from muster.rpc.answering import Answering
from muster.rpc.contract import Operation, operations
from muster.rpc.description import GRPC_PATH, METADATA, description, digest
from muster.serve.life import LAST_WORDS
from muster.serve.within import within

Resources = Mapping[str, Any]
"""What handlers are made of, by the names of their constructors' parameters."""

Lifespan = Callable[[], AsyncIterator[Resources | None] | AbstractAsyncContextManager[Resources | None]]
"""An async generator that yields once, or what gives an async context manager."""


@dataclass(frozen=True, slots=True)
class Made:
    """The handlers of one run."""

    answering: tuple[Answering, ...] = ()
    document: bytes = b""

    @property
    def metadata(self) -> dict[str, str]:
        """What the registry is told of the document."""
        return {METADATA: digest(self.document)} if self.document else {}

    def endpoints(self, service: str) -> tuple[Endpoint, ...]:
        """Their endpoints, and one that differs when any of their types does."""
        if not self.answering:
            return ()
        return (
            *(each.operation.endpoint(service) for each in self.answering),
            Endpoint(GRPC_PATH, "", digest(self.document)),
        )


@dataclass(slots=True)
class Handlers:
    """Classes, collected while a program is loaded; nothing of them is looked into before the service starts."""

    classes: dict[str, type] = field(default_factory=dict[str, type])
    lifespan: Lifespan | None = None

    def add(self, handler: type) -> None:
        """Raises Rejected for what is no class, and for a second one of that name."""
        if not inspect.isclass(handler):
            raise Rejected(f"handler needs a class, not {handler!r}: it is made when the service starts")
        if handler.__name__ in self.classes:
            raise Rejected(f"there is a handler {handler.__name__} already: callers tell them apart by their names")
        self.classes[handler.__name__] = handler

    @asynccontextmanager
    async def made(self, service: str) -> AsyncIterator[Made]:
        """The handlers, within the lifespan. Raises what the lifespan or a constructor raises, and Rejected for classes
        that cannot be served; TimeoutError where the lifespan takes more than LAST_WORDS seconds to end."""
        contracts = {cls: operations(cls) for cls in self.classes.values()}
        async with _bounded(_opened(self.lifespan)) as resources:
            answering: list[Answering] = []
            for cls, found in contracts.items():
                handler = _make(cls, resources or {})
                answering += [Answering(each, each.path(service), handler) for each in found]
            _check_routes(each.operation for each in answering)
            yield Made(tuple(answering), description(service, (each.operation for each in answering)))


def _opened(lifespan: Lifespan | None) -> AbstractAsyncContextManager[Resources | None]:
    if lifespan is None:
        return nullcontext()
    if inspect.isasyncgenfunction(lifespan):
        return asynccontextmanager(lifespan)()
    opened = lifespan()
    if not isinstance(opened, AbstractAsyncContextManager):
        raise Rejected(f"the lifespan {lifespan!r} is no async generator: open things, yield them once, close them")
    return opened


@asynccontextmanager
async def _bounded(lifespan: AbstractAsyncContextManager[Resources | None]) -> AsyncIterator[Resources | None]:
    """As `lifespan`, whose end may take LAST_WORDS seconds. It does not hear how the service ended: that is no error of
    its own."""
    resources = await lifespan.__aenter__()
    try:
        if resources is not None and not isinstance(resources, Mapping):
            raise Rejected(f"the lifespan has to yield a mapping, as in {{'database': database}}, not {resources!r}")
        yield resources
    finally:
        async with within(LAST_WORDS):
            await lifespan.__aexit__(None, None, None)


def _make(cls: type, resources: Resources) -> object:
    wanted = list(inspect.signature(cls).parameters.values())
    given = {each.name: resources[each.name] for each in wanted if each.name in resources}
    missing = [each.name for each in wanted if each.name not in given and _required(each)]
    if missing:
        there = ", ".join(map(repr, resources)) or "nothing"
        raise Rejected(
            f"{cls.__name__} is made of {missing[0]!r}, which the lifespan does not yield; it yields {there}"
        )
    return cls(**given)


def _check_routes(offered: Iterable[Operation]) -> None:
    """Names of classes may differ by their case alone, which routes do not."""
    found: dict[str, Operation] = {}
    for each in offered:
        other = found.setdefault(each.route, each)
        if other is not each:
            raise Rejected(
                f"{each.short} and {other.short} would have one path, {each.route}: rename one of the classes"
            )


def _required(parameter: inspect.Parameter) -> bool:
    several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not several
