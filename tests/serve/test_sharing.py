"""One registration, several processes: who writes what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muster.model.check import CheckState, Health, TTLCheck
from muster.model.errors import RegistryUnavailable
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.serve.condition import SERVING
from muster.serve.lease import Lease
from muster.serve.listeners import Listener
from muster.serve.membership import DRAINING
from muster.serve.sharing import SharedRegistrar

pytestmark = pytest.mark.anyio

ENTRY = Registration(Instance("orders-1", "orders", "127.0.0.1", 8000), (TTLCheck("self", 30.0),), 60.0)
BLOCKED = CheckState("self", Health.CRITICAL, "event loop blocked for 6.0 s")


class Written:
    """A registry that notes what is written to it, and is away if told so."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.away = False

    async def register(self, registration: Registration) -> None:
        if self.away:
            raise RegistryUnavailable("nobody answers")
        self.heard.append("register")

    async def deregister(self, instance_id: str) -> None:
        self.heard.append("deregister")

    async def beat(self, instance_id: str, state: CheckState) -> None:
        self.heard.append(state.output)


Process = Callable[..., SharedRegistrar]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    def begun(written: Written, stays: bool = False) -> SharedRegistrar:
        lease = Lease("orders", Listener("127.0.0.1", 8000, 7), {"MUSTER_RUNTIME_DIR": str(tmp_path)})
        lease.join(lambda: "orders-1")
        return SharedRegistrar(written, lease, lambda: stays)

    return begun


async def leave(each: SharedRegistrar) -> None:
    await each.beat("orders-1", DRAINING)
    await each.deregister("orders-1")


async def test_one_writes_for_all_and_the_last_one_out_deregisters(process: Process) -> None:
    one, two = Written(), Written()
    first, second = process(one), process(two)
    for each in (first, second):
        await each.register(ENTRY)
        await each.beat("orders-1", SERVING)
    assert (one.heard, two.heard) == (["register", "serving", "serving"], [])
    await leave(second)
    assert two.heard == []
    await leave(first)
    assert one.heard[3:] == ["draining", "deregister"]


async def test_the_other_one_takes_over_with_its_next_heartbeat(process: Process) -> None:
    one, two = Written(), Written()
    first, second = process(one), process(two)
    await first.register(ENTRY)
    await second.register(ENTRY)
    await leave(first)
    assert one.heard == ["register", "serving", "serving"]  # it leaves the next one the whole time
    await second.beat("orders-1", SERVING)
    assert two.heard == ["register", "serving"]


async def test_an_entry_that_is_to_stay_stays(process: Process) -> None:
    written = Written()
    only = process(written, stays=True)
    await only.register(ENTRY)
    await leave(only)
    assert written.heard == ["register", "serving", "serving"]


async def test_the_others_know_what_the_holder_waits_for(process: Process) -> None:
    one, two = Written(), Written()
    first, second = process(one), process(two)
    one.away = True
    with pytest.raises(RegistryUnavailable, match="nobody answers"):
        await first.register(ENTRY)
    with pytest.raises(RegistryUnavailable, match=r"another process registers for all .* nobody answers"):
        await second.register(ENTRY)
    one.away = False
    await first.register(ENTRY)
    await second.register(ENTRY)
    assert two.heard == []


async def test_one_that_is_blocked_lets_another_speak(process: Process) -> None:
    one, two = Written(), Written()
    first, second = process(one), process(two)
    await first.register(ENTRY)
    await second.register(ENTRY)
    await first.beat("orders-1", BLOCKED)
    await second.beat("orders-1", SERVING)
    await first.beat("orders-1", SERVING)
    assert (one.heard, two.heard) == (["register", "serving"], ["register", "serving"])


async def test_one_that_is_alone_says_itself_that_it_is_blocked(process: Process) -> None:
    written = Written()
    only = process(written)
    await only.register(ENTRY)
    await only.beat("orders-1", BLOCKED)
    assert written.heard[-1] == BLOCKED.output
