"""`memory://NAME`: a registry in this process, shared by name. For tests, and for programs of one process.

TTL checks expire; other kinds of checks are kept, shown and never made, so they stay as they were registered.
No task and no timer runs: whoever looks first brings the catalog up to date, and a watcher sleeps until the next
deadline at the latest. So an event loop that ended with watches open cannot hold up, or outlive into, another one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

from muster.model.check import Check, CheckState, Health, TTLCheck, worst
from muster.model.errors import BadConfiguration, NotRegistered, Rejected
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.url import split_url
from muster.registry.weight import when_warning

A = TypeVar("A")


class Memory:
    """The registry of that name: every `Memory("x")` of a process is the same registry, also in other threads."""

    def __init__(self, name: str = "default") -> None:
        self._name = name
        self._catalog = _catalogs.setdefault(name, _Catalog())

    def __str__(self) -> str:
        return f"memory://{self._name}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def register(self, registration: Registration) -> None:
        registration.validate()
        self._catalog.register(registration, _now())

    async def deregister(self, instance_id: str) -> None:
        self._catalog.deregister(instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        if not self._catalog.beat(instance_id, state, _now()):
            raise NotRegistered(instance_id, str(self))

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        if not name:
            raise Rejected("a service needs a name: it is empty")
        async for answer in self._follow(lambda catalog: catalog.answer(name)):
            yield answer

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        async for names in self._follow(_Catalog.names):
            yield names

    async def _follow(self, look: Callable[[_Catalog], A]) -> AsyncGenerator[A, None]:
        """What `look` sees, at once and then whenever it sees something else."""
        with self._catalog.waking() as woken:
            seen: A | None = None
            while True:
                woken.clear()
                deadline = self._catalog.settle(_now())
                found = look(self._catalog)
                if found != seen:
                    seen = found
                    yield found
                else:
                    await _wait(woken, deadline)


def from_url(url: str, environ: Mapping[str, str]) -> Memory:
    """The registry of a `memory://NAME` URL; without a name it is `default`."""
    parts = split_url(url)
    if parts.query or parts.path.strip("/"):
        raise BadConfiguration(f"{url!r}: memory:// takes a name and nothing else: memory://NAME")
    return Memory(parts.authority or "default")


@dataclass(frozen=True, slots=True)
class _Checked:
    """A check as it stands. `deadline`: when a TTL check expires. `critical_since` drives the removal."""

    check: Check
    state: CheckState
    deadline: float | None = None
    critical_since: float | None = None

    def found(self, state: CheckState, now: float) -> _Checked:
        """The same check after `state` was reported at `now`; its time starts anew."""
        since = _first(self.critical_since, now) if state.health is Health.CRITICAL else None
        deadline = now + self.check.ttl if isinstance(self.check, TTLCheck) else None
        return _Checked(self.check, state, deadline, since)

    def settled(self, now: float) -> _Checked:
        """The same check at `now`: a TTL check whose time is up is critical from then on."""
        if self.deadline is None or now < self.deadline:
            return self
        state = CheckState(self.check.name, Health.CRITICAL, "TTL expired")
        return _Checked(self.check, state, None, _first(self.critical_since, self.deadline))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A registration and its checks as they stand."""

    registration: Registration
    checks: tuple[_Checked, ...]

    def settled(self, now: float) -> _Entry:
        return replace(self, checks=tuple(checked.settled(now) for checked in self.checks))

    def deadlines(self) -> Iterable[float]:
        """When something will happen by itself: a check expires, or the entry is removed."""
        for checked in self.checks:
            if checked.deadline is not None:
                yield checked.deadline
            if checked.critical_since is not None:
                yield checked.critical_since + self.registration.deregister_after

    def dead(self, now: float) -> bool:
        after = self.registration.deregister_after
        return any(c.critical_since is not None and c.critical_since + after <= now for c in self.checks)

    def instance(self) -> Instance:
        states = tuple(checked.state for checked in self.checks)
        health = worst(tuple(state.health for state in states))
        failing = tuple(state for state in states if state.health is not Health.PASSING)
        given = self.registration.instance
        weight = when_warning(given.weight) if health is Health.WARNING else given.weight
        host = given.host or "127.0.0.1"
        return replace(given, host=host, health=health, failing=failing, weight=weight)


class _Catalog:
    """The entries of one registry, and whoever waits for them to change. One short lock; no I/O, nothing awaited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._sleepers: set[_Sleeper] = set()

    def register(self, registration: Registration, now: float) -> None:
        instance = registration.instance
        with self._lock:
            self._settle(now)
            old = self._entries.get(instance.id)
            if old is not None and old.registration.instance.service != instance.service:
                holder = old.registration.instance.service
                raise Rejected(f"instance id {instance.id!r} is taken by an instance of {holder!r}")
            self._entries[instance.id] = _Entry(registration, _checks(registration, old, now))
            self._wake()

    def deregister(self, instance_id: str) -> None:
        with self._lock:
            if self._entries.pop(instance_id, None):
                self._wake()

    def beat(self, instance_id: str, state: CheckState, now: float) -> bool:
        """False where there is no such TTL check."""
        with self._lock:
            self._settle(now)
            entry = self._entries.get(instance_id)
            if entry is None or not any(_is_ttl(checked, state.name) for checked in entry.checks):
                return False
            checks = tuple(c.found(state, now) if c.check.name == state.name else c for c in entry.checks)
            self._entries[instance_id] = replace(entry, checks=checks)
            self._wake()
            return True

    def settle(self, now: float) -> float | None:
        """Let expire what has to by `now`; tells when something will next happen by itself."""
        with self._lock:
            self._settle(now)
            deadlines = [deadline for entry in self._entries.values() for deadline in entry.deadlines()]
        return min(deadlines, default=None)

    def answer(self, name: str) -> Answer:
        with self._lock:
            found = [e.instance() for e in self._entries.values() if e.registration.instance.service == name]
        return Known(name, tuple(sorted(found, key=lambda instance: instance.id))) if found else Absent(name)

    def names(self) -> Mapping[str, frozenset[str]]:
        with self._lock:
            instances = [entry.registration.instance for entry in self._entries.values()]
        tags: dict[str, frozenset[str]] = {}
        for instance in instances:
            tags[instance.service] = tags.get(instance.service, frozenset()) | frozenset(instance.tags)
        return tags

    def waking(self) -> _Sleeper:
        """A context manager: an event of the running loop that is set whenever an entry changes."""
        return _Sleeper(self._sleepers, self._lock)

    def _settle(self, now: float) -> None:
        entries = {key: entry.settled(now) for key, entry in self._entries.items()}
        self._entries = {key: entry for key, entry in entries.items() if not entry.dead(now)}

    def _wake(self) -> None:
        for sleeper in tuple(self._sleepers):
            if not sleeper.wake():
                self._sleepers.discard(sleeper)


class _Sleeper:
    """One watcher's event. It may be set from another loop's thread."""

    def __init__(self, sleepers: set[_Sleeper], lock: threading.Lock) -> None:
        self._sleepers = sleepers
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        with self._lock:
            self._sleepers.add(self)
        return self._event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._sleepers.discard(self)

    def wake(self) -> bool:
        """False where the watcher's loop has ended, and the watcher with it."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            return False
        return True


_catalogs: dict[str, _Catalog] = {}
"""By name. Global on purpose: the name is all that two parts of a program share."""


def _checks(registration: Registration, old: _Entry | None, now: float) -> tuple[_Checked, ...]:
    """The checks to start with: new ones pass, known ones keep their state, and TTL checks start their time anew."""
    known = {checked.check: checked for checked in old.checks} if old else {}
    return tuple(_start(check, known.get(check), now) for check in registration.checks)


def _start(check: Check, known: _Checked | None, now: float) -> _Checked:
    if known is not None and not isinstance(check, TTLCheck):
        return known
    return _Checked(check, CheckState(check.name, Health.PASSING)).found(CheckState(check.name, Health.PASSING), now)


def _first(since: float | None, now: float) -> float:
    return now if since is None else since


def _is_ttl(checked: _Checked, name: str) -> bool:
    return checked.check.name == name and isinstance(checked.check, TTLCheck)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _wait(woken: asyncio.Event, deadline: float | None) -> None:
    """Returns when woken, or at `deadline` of the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            await woken.wait()
    except TimeoutError:
        return
