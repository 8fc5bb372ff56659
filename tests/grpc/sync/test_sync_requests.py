"""The requests of a stream, for one attempt after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from muster.grpc.requests import KEPT
from muster.grpc.sync.requests import Requests


def test_each_reader_starts_over() -> None:
    requests = Requests("abc")
    first = requests.read()
    assert [next(first), next(first)] == ["a", "b"]
    assert list(requests.read()) == ["a", "b", "c"]
    assert list(first) == [], "it has been replaced"
    assert requests.repeatable


def test_what_is_committed_is_not_kept() -> None:
    requests = Requests("abc")
    reader = requests.read()
    next(reader)
    requests.commit()
    assert list(reader) == ["b", "c"]
    assert not requests.repeatable


def test_long_streams_are_not_kept() -> None:
    requests = Requests(range(KEPT + 2))
    reader = requests.read()
    for _ in range(KEPT + 1):
        assert requests.repeatable
        next(reader)
    assert list(reader) == [KEPT + 1]
    assert not requests.repeatable and len(requests._log) == 0


def test_a_reader_need_not_wait_for_what_the_one_before_it_is_taking() -> None:
    source: SimpleQueue[str | None] = SimpleQueue()
    requests = Requests(iter(source.get, None))
    source.put("a")
    old = requests.read()
    assert next(old) == "a"
    waiting = threading.Thread(target=next, args=(old, None))
    waiting.start()
    new = requests.read()
    assert next(new) == "a"
    source.put("b")
    assert next(new) == "b", "taken by the old reader, left to the new one"
    waiting.join(30)
    source.put(None)
    assert list(new) == []


def test_stopping_ends_the_reader() -> None:
    requests = Requests("abc")
    reader = requests.read()
    next(reader)
    requests.stop()
    assert list(reader) == []


def test_an_error_of_the_source_is_that_of_every_reader() -> None:
    def source() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    requests = Requests(source())
    for _ in range(2):
        reader = requests.read()
        assert next(reader) == "a"
        with pytest.raises(ZeroDivisionError):
            next(reader)
