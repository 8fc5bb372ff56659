"""One watch a name, shared and counted, sent elsewhere by overrides; in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import AnswerDoubted, Event
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known, Snapshot, doubtful_of, instances_of
from muster.testing.clock import VirtualTimeLoop
from muster.watch.belief import Doubt
from muster.watch.hub import Hub, Watching
from muster.watch.latest import Latest
from muster.watch.overrides import Overrides

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[("asyncio", {"loop_factory": VirtualTimeLoop})], ids=["virtual time"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


class Counting:
    """A discovery with one instance a name, which counts the watches under way."""

    def __init__(self) -> None:
        self.started: Counter[str] = Counter()
        self.running: Counter[str] = Counter()

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        self.started[name] += 1
        self.running[name] += 1
        try:
            yield Known(name, (Instance(f"{name}-1", name, "10.0.0.1", 80),))
            await asyncio.sleep(1e6)
        finally:
            self.running[name] -= 1

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        yield {}


class Losing(Counting):
    """A discovery that loses its data after a second."""

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        yield Known(name, (Instance(f"{name}-1", name, "10.0.0.1", 80),))
        await asyncio.sleep(1)
        yield Absent(name)
        await asyncio.sleep(1e6)


REQUEST: ContextVar[str] = ContextVar("request", default="none")


class Tracing(Counting):
    """A discovery that notes in whose context it is asked."""

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        yield Known(name, (Instance(REQUEST.get(), name, "10.0.0.1", 80),))
        await asyncio.sleep(1e6)


async def until(latest: Latest[Snapshot], condition: Callable[[Snapshot], bool]) -> float:
    """Waits until a snapshot is as wanted; the seconds of virtual time that it took."""
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(600):
        async for snapshot in latest:
            if condition(snapshot):
                break
    return asyncio.get_running_loop().time() - started


def hosts(snapshot: Snapshot) -> list[str]:
    return [instance.address for instance in instances_of(snapshot)]


async def test_readers_of_one_name_share_one_watch() -> None:
    discovery = Counting()
    async with Hub(discovery, overrides=Overrides(environ={})) as hub:
        first, second, other = hub.watch("greeter"), hub.watch("greeter"), hub.watch("orders")
        await until(second.latest, lambda snapshot: hosts(snapshot) == ["10.0.0.1:80"])
        await until(other.latest, lambda snapshot: isinstance(snapshot, Known))
        assert first.latest is second.latest
        assert discovery.started == {"greeter": 1, "orders": 1}
    assert not +discovery.running


async def test_a_watch_is_no_part_of_the_request_that_began_it() -> None:
    async with Hub(Tracing(), overrides=Overrides(environ={})) as hub:
        REQUEST.set("the first")
        watching = hub.watch("greeter")
        await until(watching.latest, lambda snapshot: isinstance(snapshot, Known))
        assert [instance.id for instance in instances_of(watching.latest.value)] == ["none"]
        watching.close()


async def test_a_watch_lingers_after_its_last_reader_and_then_ends() -> None:
    discovery = Counting()
    async with Hub(discovery, overrides=Overrides(environ={})) as hub:
        first, second = hub.watch("greeter"), hub.watch("greeter")
        await until(first.latest, lambda snapshot: isinstance(snapshot, Known))
        first.close()
        first.close()
        await asyncio.sleep(60)
        assert discovery.running["greeter"] == 1, "one reader is left, although the other closed twice"
        second.close()
        await asyncio.sleep(20)
        third = hub.watch("greeter")
        await asyncio.sleep(60)
        assert discovery.started["greeter"] == 1, "who comes back in time finds the same watch"
        third.close()
        await asyncio.sleep(31)
        assert discovery.running["greeter"] == 0
        again = hub.watch("greeter")
        await until(again.latest, lambda snapshot: isinstance(snapshot, Known))
        assert discovery.started["greeter"] == 2


async def test_an_override_is_in_force_within_five_seconds_and_ends_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    overrides = Overrides(file, environ={})
    async with Hub(Counting(), overrides=overrides) as hub:
        latest = hub.watch("greeter").latest
        await until(latest, lambda snapshot: hosts(snapshot) == ["10.0.0.1:80"])
        file.write_text('[greeter]\naddresses = ["127.0.0.1:9000", "[::1]:9001"]\n')
        assert await until(latest, lambda snapshot: hosts(snapshot) == ["127.0.0.1:9000", "[::1]:9001"]) < 5
        file.write_text("[greeter\n")
        await asyncio.sleep(10)
        assert hosts(latest.value) == ["127.0.0.1:9000", "[::1]:9001"], "a faulty file changes nothing"
        file.unlink()
        assert await until(latest, lambda snapshot: hosts(snapshot) == ["10.0.0.1:80"]) < 5


async def test_an_override_in_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "overrides.json"
    file.write_text('{"my-greeter": {"addresses": ["127.0.0.1:1"]}, "orders": {"passthrough": "mesh.local:80"}}')
    environ = {"MUSTER_OVERRIDES": str(file), "MUSTER_OVERRIDE_MY_GREETER": "127.0.0.1:2"}
    discovery = Counting()
    async with Hub(discovery, overrides=Overrides.configured(environ)) as hub:
        greeter, orders = hub.watch("my-greeter").latest, hub.watch("orders").latest
        await until(greeter, lambda snapshot: hosts(snapshot) == ["127.0.0.1:2"])
        await until(orders, lambda snapshot: hosts(snapshot) == ["mesh.local:80"])
    assert not discovery.started


async def test_a_faulty_override_in_the_environment_is_told_to_who_asks_for_the_name() -> None:
    async with Hub(Counting(), overrides=Overrides(environ={"MUSTER_OVERRIDE_GREETER": "localhost"})) as hub:
        with pytest.raises(BadConfiguration, match=r"MUSTER_OVERRIDE_GREETER.*has no port"):
            hub.watch("greeter")
        hub.watch("orders")


@pytest.mark.parametrize("name", ["", None, 3])
async def test_what_cannot_be_a_name_is_refused_at_once(name: Any) -> None:
    async with Hub(Counting(), overrides=Overrides(environ={})) as hub:
        with pytest.raises(Rejected, match="cannot name a service"):
            hub.watch(name)


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with Hub(Counting(), overrides=Overrides(environ={})) as hub:
            hub.watch("greeter")
            raise LookupError("mine")


@pytest.mark.parametrize("wrong", [{"linger": -1}, {"cached": -1}, {"cached": "1d"}, {"doubt": 30}, {"backoff": 1}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadConfiguration, match=next(iter(wrong))):
        Watching(**wrong)


async def test_how_long_a_sudden_loss_is_doubted_can_be_set() -> None:
    """And is told, with the seconds that it will be."""
    losing, events = Losing(), list[Event]()
    watching = Watching(doubt=Doubt(grace=7.0))
    async with Hub(losing, events.append, overrides=Overrides(environ={}), watching=watching) as hub:
        latest = hub.watch("greeter").latest
        await until(latest, lambda snapshot: bool(doubtful_of(snapshot)))
        assert [event.grace for event in events if isinstance(event, AnswerDoubted)] == [7.0]
        assert await until(latest, lambda snapshot: not doubtful_of(snapshot)) == pytest.approx(7.0)
