"""Who registers for all that share a port, and who is the last one out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from muster.model.errors import BadConfiguration
from muster.serve.lease import Lease
from muster.serve.listeners import Listener

PORT = Listener("127.0.0.1", 8000, 77)

Join = Callable[..., tuple[Lease, str]]


@pytest.fixture
def join(tmp_path: Path) -> Join:
    ids = count(1)

    def joined(listener: Listener = PORT, name: str = "orders") -> tuple[Lease, str]:
        lease = Lease(name, listener, {"MUSTER_RUNTIME_DIR": str(tmp_path)})
        return lease, lease.join(lambda: f"{name}-{next(ids)}")

    return joined


def test_all_at_a_port_are_one_instance(join: Join) -> None:
    assert [join()[1] for _ in range(3)] == ["orders-1"] * 3


def test_other_ports_and_other_names_are_others(join: Join) -> None:
    assert join()[1] != join(Listener("127.0.0.1", 8001, 78))[1] != join(name="shop")[1]


def test_one_holds_it_until_it_leaves(join: Join) -> None:
    (first, _), (second, _) = join(), join()
    assert (first.hold(), first.hold(), second.hold()) == (True, True, False)
    first.leave(stays=False)
    assert second.hold()


def test_the_last_one_out_is_told_so_and_the_next_is_a_new_instance(join: Join, tmp_path: Path) -> None:
    (first, _), (second, _) = join(), join()
    assert (first.leave(stays=False), second.leave(stays=False), second.leave(stays=False)) == (False, True, False)
    assert list(tmp_path.rglob("state")) == []
    assert join()[1] == "orders-2"


def test_the_next_one_is_the_same_instance_where_it_was_to_stay(join: Join) -> None:
    assert join()[0].leave(stays=True)
    assert join()[1] == "orders-1"


@pytest.mark.parametrize("inode", [78, 0], ids=["another socket", "a socket that was not seen"])
def test_whoever_finds_the_state_of_a_run_that_is_over_begins_anew(join: Join, inode: int) -> None:
    join(Listener("127.0.0.1", 8000, inode and 77))[0].leave(stays=True)
    assert join(Listener("127.0.0.1", 8000, inode))[1] == "orders-2"


def test_what_the_holder_tells_is_there_for_the_others_until_the_last_one_is_out(join: Join) -> None:
    (first, _), (second, _) = join(), join()
    first.hold()
    first.tell(False, "no answer")
    told = second.told()
    assert told is not None and (told.registered, told.why) == (False, "no answer")
    first.tell(True)
    assert (told := second.told()) is not None and told.registered
    first.leave(stays=False)
    assert first.told() is not None
    second.leave(stays=False)
    assert first.told() is None


def test_it_is_passed_on_where_there_is_another(join: Join) -> None:
    first, _ = join()
    first.hold()
    assert not first.pass_on()
    second, _ = join()
    assert first.pass_on() and not first.held and second.hold()
    assert not second.leave(stays=False)  # the other one is counted still


def test_a_state_that_cannot_be_read_is_as_none(join: Join, tmp_path: Path) -> None:
    join()
    (state,) = tmp_path.rglob("state")
    state.write_text('{"id": ')
    assert join()[1] == "orders-2"


def test_a_directory_where_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "muster").mkdir()
    (tmp_path / "muster").chmod(0o777)
    with pytest.raises(BadConfiguration, match="others may write there: set MUSTER_RUNTIME_DIR"):
        Lease("orders", PORT, {"MUSTER_RUNTIME_DIR": str(tmp_path)})


def test_no_directory_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadConfiguration, match="no place for their lock files"):
        Lease("orders", PORT, {"MUSTER_RUNTIME_DIR": str(tmp_path / "file")})


def test_what_others_at_the_same_socket_know_can_be_read_before_joining(join: Join, tmp_path: Path) -> None:
    def begins(inode: int) -> Lease:
        return Lease("orders", Listener(PORT.host, PORT.port, inode), {"MUSTER_RUNTIME_DIR": str(tmp_path)})

    assert begins(77).known() is None
    other, instance_id = join()
    other.hold()
    other.tell(True)
    known = begins(77).known()
    assert known is not None and (known.id, known.registered, known.tls) == (instance_id, True, False)
    assert begins(78).known() is None, "another run at the same address"
    assert begins(0).known() is None, "a socket that was not seen"


def test_joining_again_changes_nothing(join: Join) -> None:
    lease, instance_id = join()
    assert lease.join(lambda: "another") == instance_id
    assert lease.leave(stays=False)
    assert lease.told() is None


def test_who_is_to_be_replaced_waits_until_the_one_before_has_been(join: Join) -> None:
    (first, _), (second, _) = join(), join()
    assert first.take_turn(30.0)
    assert not second.take_turn(30.0)
    first.leave(stays=True)
    assert not second.take_turn(30.0)
    join()
    assert second.take_turn(30.0)
    assert first.take_turn(30.0), "it is none of them any more"


def test_a_replacement_that_does_not_come_is_not_waited_for_for_ever(join: Join) -> None:
    (first, _), (second, _) = join(), join()
    assert first.take_turn(30.0)
    assert second.take_turn(0.0)
