"""What a class offers: its async methods as endpoints, with the types that they take and give. Pure.

The same class serves (`service.handler`) and calls (`client.service`), where a Protocol will do as well:

    class Say:
        async def hello(self, request: HelloRequest) -> HelloReply: ...
        async def list_hellos(self, request: HelloRequest) -> AsyncIterator[HelloReply]: ...     # yields
        async def collect(self, names: AsyncIterator[str]) -> int: ...
        async def chat(self, lines: AsyncIterator[str]) -> AsyncIterator[str]: ...               # yields

A name that begins with `_` is the class's own affair.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from muster.model.endpoint import Endpoint
from muster.model.errors import Rejected

F = TypeVar("F", bound=Callable[..., Any])

_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)
_PLAIN_STREAMS = (Iterator, Iterable, Generator)
_IDEMPOTENT = "__muster_idempotent__"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def idempotent(method: F) -> F:
    """Declare that a method may be processed twice for one call: then it is tried again also after failures in which
    it may have been processed. A decorator, for the class or the Protocol that clients are given."""
    setattr(method, _IDEMPOTENT, True)
    return method


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a class. `request` and `reply` are types, for streams those of each message; `request` is None
    where nothing is taken. `summary`: the first line of its docstring."""

    kind: str
    attribute: str
    request: Any
    reply: Any
    takes_stream: bool = False
    gives_stream: bool = False
    idempotent: bool = False
    summary: str = ""

    @property
    def method(self) -> str:
        """`ListHellos` for `list_hellos`."""
        return "".join(part[:1].upper() + part[1:] for part in self.attribute.split("_"))

    @property
    def short(self) -> str:
        """`Say.ListHellos`."""
        return f"{self.kind}.{self.method}"

    @property
    def route(self) -> str:
        """`/say/list-hellos`."""
        return f"/{_dashed(self.kind)}/{_dashed(self.method)}"

    def path(self, service: str) -> str:
        """`/greeter.Say/ListHellos` for the service `greeter`."""
        return f"/{service}.{self.kind}/{self.method}"

    def endpoint(self, service: str) -> Endpoint:
        types = "" if self.request is None else type_name(self.request), type_name(self.reply)
        return Endpoint(self.path(service), *types, self.takes_stream, self.gives_stream)


def operations(contract: Any, *, plain: bool = False) -> tuple[Operation, ...]:
    """The operations of a class or a Protocol, by name. `plain`: its methods are those of threads, without `async`,
    and its streams are Iterators.

    Raises Rejected, which names the method at fault and says what to write instead.
    """
    if not inspect.isclass(contract):
        raise Rejected(f"{contract!r} is no class: give the class itself, which is made when the service starts")
    functions = inspect.getmembers_static(contract, inspect.isfunction)
    found = [_operation(contract, name, each, plain) for name, each in functions if not name.startswith("_")]
    if not found:
        raise Rejected(f"{contract.__name__} has no methods to call: give it an 'async def'")
    _check_unique(found)
    return tuple(found)


def type_name(kind: Any) -> str:
    """What a type is called in texts and endpoints: `HelloRequest`, `list[int]`."""
    if get_args(kind) or not isinstance(kind, type):
        return str(kind).replace("typing.", "")
    return "null" if kind is type(None) else kind.__name__


def _operation(contract: type, name: str, function: Callable[..., Any], plain: bool) -> Operation:
    where = f"{contract.__name__}.{name}"
    parameters = list(inspect.signature(function).parameters.values())[1:]
    hints = _hints(function, where)
    taken, takes_stream = _taken(parameters, hints, where, plain)
    given, gives_stream = _given(function, hints, where, plain)
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    declared = getattr(function, _IDEMPOTENT, False)
    return Operation(contract.__name__, name, taken, given, takes_stream, gives_stream, declared, summary)


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise Rejected(
            f"{where}: the type {error.name!r} cannot be found: it has to be defined or imported at the module's top "
            "level, and not for type checkers alone"
        ) from error


def _taken(parameters: list[inspect.Parameter], hints: dict[str, Any], where: str, plain: bool) -> tuple[Any, bool]:
    if not parameters:
        return None, False
    only = parameters[0]
    if len(parameters) > 1 or only.kind in (only.VAR_POSITIONAL, only.VAR_KEYWORD, only.KEYWORD_ONLY):
        raise Rejected(f"{where} has to take one request, or nothing: put several values into one dataclass")
    if only.name not in hints:
        raise Rejected(f"{where}: the parameter {only.name!r} has no type: callers are told by it what to send")
    stream = _streamed(hints[only.name], where, plain)
    return (hints[only.name], False) if stream is None else (stream, True)


def _given(function: Callable[..., Any], hints: dict[str, Any], where: str, plain: bool) -> tuple[Any, bool]:
    if "return" not in hints:
        raise Rejected(f"{where} has no return type: callers are told by it what they get")
    stream = _streamed(hints["return"], where, plain)
    is_async = inspect.iscoroutinefunction(function)
    if plain and (is_async or inspect.isasyncgenfunction(function)):
        raise Rejected(f"{where} is async: for threads write a Protocol of the same name whose methods are not")
    if stream is not None and is_async:
        raise Rejected(f"{where} returns a stream but has no 'yield': yield the replies; in a Protocol write 'def'")
    if stream is None and not is_async and not plain:
        raise Rejected(f"{where} is not async: write 'async def', or let its name begin with '_'")
    return (hints["return"], False) if stream is None else (stream, True)


def _streamed(kind: Any, where: str, plain: bool) -> Any:
    """The type of a stream's messages; None for what is no stream."""
    streams = _PLAIN_STREAMS if plain else _STREAMS
    if kind in streams:
        raise Rejected(f"{where}: a stream of what? Write {streams[0].__name__}[HelloReply]")
    return get_args(kind)[0] if get_origin(kind) in streams else None


def _check_unique(found: list[Operation]) -> None:
    by_route: dict[str, Operation] = {}
    for each in found:
        other = by_route.setdefault(each.route, each)
        if other is not each:
            raise Rejected(f"{each.kind}.{each.attribute} and {other.attribute} would be called the same: {each.short}")


def _dashed(name: str) -> str:
    return _WORDS.sub("-", name).lower()
