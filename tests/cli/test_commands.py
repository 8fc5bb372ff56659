"""Each command against a real agent and a real service, as processes."""

from __future__ import annotations

import json
import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import EXAMPLE, GREETER, Command


def get(url: str, path: str) -> tuple[int, Any]:
    connection = HTTPConnection(url.partition("://")[2], timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_agent_answers_and_ends_quietly(muster: Command, number: signal.Signals) -> None:
    with muster.staying("--log", "warning", "agent", "--http", "127.0.0.1:0", "--node", "n1") as process:
        url = process.line().split()[2]
        assert get(url, "/v1/catalog/nodes")[1][0]["Node"] == "n1"
        assert process.end(number) == 0
    assert process.err == ""


def test_nothing_is_registered(muster: Command) -> None:
    done = muster("services", "--registry", "memory://empty")
    assert (done.status, done.out) == (0, "")
    assert done.err == (
        "no service is registered: memory://empty is this process's own, other processes do not see it\n"
    )
    assert json.loads(muster("services", "--registry", "memory://empty", "--json").out) == []


def test_services(muster: Command, greeter: str) -> None:
    done = muster("services", "--registry", greeter)
    assert [row.split() for row in done.out.splitlines() if "greeter" in row] == [["greeter", "blue", "main"]]
    listed = json.loads(muster("services", "--json", MUSTER_REGISTRY=greeter).out)
    assert {"name": "greeter", "tags": ["blue", "main"]} in listed


def test_instances(muster: Command, greeter: str) -> None:
    (instance,) = json.loads(muster("instances", "greeter", "--registry", greeter, "--json").out)
    assert instance["health"] == "passing"
    assert instance["version"] == "1.2.0"
    header, row = muster("instances", "greeter", "--registry", greeter).out.splitlines()
    assert header.split()[:3] == ["instance", "address", "health"]
    assert row.split()[:3] == [instance["id"], instance["address"], "passing"]


def test_instances_explained(muster: Command, greeter: str) -> None:
    explained = json.loads(muster("instances", "greeter", "--registry", greeter, "--explain", "--json").out)
    (instance,) = explained["instances"]
    assert (explained["chosen"], explained["picker"], explained["panic"]) == (instance["id"], "least_request", False)
    assert (instance["eligible"], instance["connection"], instance["why_not"]) == (True, "ready", "")
    header, row = muster("instances", "greeter", "--registry", greeter, "--explain", "--key", "me").out.splitlines()
    assert header.split()[:3] == ["instance", "address", "called"]
    assert row.split()[:5] == [instance["id"], instance["address"], "next", "passing", "ready"]


def test_a_picker_that_hashes_is_explained_by_key(muster: Command, greeter: str) -> None:
    explained = muster("instances", "greeter", "--registry", greeter, "--explain", "--picker", "maglev", "--key", "me")
    assert explained.status == 0, explained.err
    assert explained.out.splitlines()[1].split()[2] == "next"
    wrong = muster("instances", "greeter", "--registry", greeter, "--explain", "--picker", "maglevv")
    assert (wrong.status, "unknown picker 'maglevv'" in wrong.err) == (1, True)


def test_instances_are_narrowed_down(muster: Command, greeter: str) -> None:
    chosen = muster("instances", "greeter", "--registry", greeter, "--tag", "blue", "--version", "1.x", "--dc", "dc1")
    assert (chosen.status, len(chosen.out.splitlines())) == (0, 2)
    none = muster("instances", "greeter", "--registry", greeter, "--tag", "green")
    assert none.status == 1
    assert none.error.endswith("all that are registered are without the tag green")
    elsewhere = muster("instances", "greeter", "--registry", greeter, "--dc", "nowhere")
    assert (elsewhere.status, "No path to datacenter" in elsewhere.error) == (1, True)


def test_who_is_not_wanted_is_explained(muster: Command, greeter: str) -> None:
    done = muster("instances", "greeter", "--registry", greeter, "--explain", "--zone", "east", "--json")
    (one,) = json.loads(done.out)["instances"]
    assert (one["eligible"], one["why_not"]) == (False, "in zone unknown, not east")


def test_watch_is_narrowed_down(muster: Command, greeter: str) -> None:
    arguments = "watch", "greeter", "--registry", greeter, "--json"
    with muster.staying(*arguments, "--version", "2.x") as none, muster.staying(*arguments, "--meta", "a=b") as nobody:
        for watching in (none, nobody):
            assert json.loads(watching.line()) == {"service": "greeter", "state": "known", "instances": []}
            watching.end()


@pytest.mark.parametrize("option", [[], ["--explain"]])
def test_instances_of_nobody(muster: Command, registry: str, option: list[str]) -> None:
    done = muster("instances", "greeter", "--registry", registry, *option)
    assert done.status == 1
    assert "'muster services' lists who is registered" in done.error


def test_call(muster: Command, greeter: str) -> None:
    done = muster("call", "greeter", "Say.Hello", '{"name": "world"}', "--registry", greeter, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["message"] == "Hello world"
    done = muster("call", "greeter", "Say.Hello", "-", "--registry", greeter, stdin='{"name": "pipe"}')
    assert json.loads(done.out)["message"] == "Hello pipe"


@pytest.mark.parametrize(
    ("method", "request_", "text"),
    [
        ("Say.Nothing", "{}", "Say.Hello"),
        ("Say.Hello", '{"nmae": "x"}', "nmae"),
        ("Say.Hello", '{"name": 1}', "name"),
    ],
    ids=["method", "field", "type"],
)
def test_a_call_that_is_wrong(muster: Command, greeter: str, method: str, request_: str, text: str) -> None:
    done = muster("call", "greeter", method, request_, "--registry", greeter)
    assert done.status == 1
    assert text in done.error


def test_watch_tells_of_every_change(muster: Command, registry: str) -> None:
    with muster.staying("watch", "greeter", "--registry", registry, "--json") as watching:
        assert json.loads(watching.line()) == {"service": "greeter", "state": "absent", "instances": []}
        body = json.dumps({"Name": "greeter", "ID": "g-1", "Address": "127.0.0.1", "Port": 9})
        connection = HTTPConnection(registry.partition("://")[2], timeout=30)
        connection.request("PUT", "/v1/agent/service/register", body)
        assert connection.getresponse().status == 200
        connection.close()
        change = json.loads(watching.line())
        assert (change["state"], change["instances"][0]["address"]) == ("known", "127.0.0.1:9")
        assert watching.end(signal.SIGINT) == 130
    assert watching.err == ""


def test_watch_says_why_it_knows_nothing(muster: Command, nobody: str) -> None:
    with muster.staying("watch", "greeter", "--registry", nobody) as watching:
        line = watching.line()
        assert "pending" in line
        assert "127.0.0.1:1" in line
        watching.end()


def test_gateway(muster: Command, greeter: str, tmp_path: Path) -> None:
    with muster.staying("gateway", "--http", "127.0.0.1:0", "--registry", greeter, "--json") as process:
        url = json.loads(process.line())["url"]
        status, reply = get(url, "/greeter/say/hello?name=world")
        assert (status, reply["message"]) == (200, "Hello world")
        assert get(url, "/nobody/say/hello")[0] == 404
        assert process.end(signal.SIGINT) == 0


def test_run_dev_starts_an_agent_where_none_is(muster: Command, free_address: str) -> None:
    (muster.directory / "hello.py").write_text(GREETER)
    url = f"consul://{free_address}"
    arguments = ("run", "hello:service", "--dev", "--registry", url)
    with muster.staying(*arguments, PYTHONPATH=str(EXAMPLE)) as process:
        process.said("is registered")
        assert "started one for development" in process.err
        assert json.loads(muster("instances", "greeter", "--registry", url, "--json").out)[0]["health"] == "passing"
        assert process.end(signal.SIGINT) == 0


def test_run_dev_leaves_an_agent_that_is_there_alone(muster: Command, registry: str) -> None:
    (muster.directory / "hello.py").write_text(GREETER)
    with muster.staying("run", "hello:service", "--dev", "--registry", registry, PYTHONPATH=str(EXAMPLE)) as process:
        process.said("is registered")
        assert "started one" not in process.err
        assert process.end() == 0


def test_run_dev_needs_a_registry_like_consul(muster: Command) -> None:
    (muster.directory / "hello.py").write_text(GREETER)
    done = muster("run", "hello:service", "--dev", "--registry", "memory://x", PYTHONPATH=str(EXAMPLE))
    assert done.status == 2
    assert "memory://x" in done.error


def test_a_watch_ends_with_whoever_reads_it(muster: Command) -> None:
    """At once, and not at the next change, which may be days away."""
    with muster.staying("watch", "a", "--registry", "static://?a=127.0.0.1:1") as process:
        assert "known" in process.line()
        process.out.close()
        assert process.process.wait(60) == 1
    assert process.err == ""


def test_whoever_reads_the_output_may_leave(muster: Command) -> None:
    with muster.staying("services", "--registry", "static://?a=127.0.0.1:1") as process:
        process.out.close()
        assert process.process.wait(60) in (0, 1)
    assert process.err == ""
