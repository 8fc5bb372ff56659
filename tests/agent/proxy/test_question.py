"""Which requests can share an answer: tables, no I/O."""

from __future__ import annotations

import pytest

from muster.agent.proxy.question import Asked, Question, asked, headers_upstream

PATH = "/v1/health/service/web"


@pytest.mark.parametrize(
    ("query", "index", "seconds"),
    [
        ("stale", 0, 0.0),
        ("stale=", 0, 0.0),
        ("cached", 0, 0.0),
        ("stale&index=7&wait=30s", 7, 30.0),
        ("index=7", 7, 0.0),
        ("index=7&wait=1500ms", 7, 1.5),
        ("index=7&index=9", 7, 0.0),
    ],
)
def test_what_blocks_or_may_be_old_is_shared(query: str, index: int, seconds: float) -> None:
    found = asked("GET", PATH, query, ())
    assert found is not None
    assert (found.index, found.seconds) == (index, seconds)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", PATH, ""),
        ("GET", PATH, "passing"),
        ("GET", PATH, "index=0"),
        ("GET", PATH, "consistent&index=7"),
        ("GET", PATH, "index=-1"),
        ("GET", PATH, "index=seven"),
        ("GET", PATH, "index=7&wait=10"),
        ("GET", "/v1/agent/services", "index=7"),
        ("GET", "/v1/status/leader", "stale"),
        ("PUT", PATH, "index=7"),
        ("PUT", "/v1/kv/a", "cas=7"),
        ("DELETE", "/v1/kv/a", ""),
    ],
)
def test_all_else_is_passed_on(method: str, path: str, query: str) -> None:
    assert asked(method, path, query, ()) is None


def test_those_who_ask_the_same_share_whatever_they_know_already() -> None:
    first = asked("GET", PATH, "stale&passing=1&index=7&wait=30s", ())
    second = asked("GET", PATH, "wait=60s&passing=1&stale", ())
    assert first is not None and second is not None
    assert first.question == second.question == Question(PATH, (("passing", "1"), ("stale", "")))


def test_rights_and_filters_are_part_of_the_question() -> None:
    def of(query: str, *headers: tuple[str, str], path: str = PATH) -> Asked | None:
        return asked("GET", path, query, headers)

    token = ("X-Consul-Token", "a")
    every = [
        of("stale"),
        of("stale", token),
        of("stale", ("X-Consul-Token", "b")),
        of("stale&token=a"),
        of("stale&dc=east"),
        of("stale&filter=x"),
        of("index=1"),
        of("stale", path="/v1/health/service/other"),
    ]
    questions = {each.question for each in every if each}
    assert len(questions) == len(every)


def test_headers_that_mean_something_to_consul_are_passed_on() -> None:
    headers = [
        (b"Host", b"x"),
        (b"x-consul-token", b"t"),
        (b"authorization", b"Bearer u"),
        (b"accept-encoding", b"gzip"),
    ]
    assert headers_upstream(headers) == (("Authorization", "Bearer u"), ("X-Consul-Token", "t"))
