"""`muster agent --config`: precedence, signals, and what is wrong, in processes of their own."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

Command = Any
"""The Command of conftest.py, which cannot be imported."""


def ask(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return json.load(answer)


def write(file: Path, **says: Any) -> None:
    file.write_text(json.dumps(says))


def test_options_win_over_files_and_files_over_defaults(muster: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write(file, node_name="of-the-file", datacenter="of-the-file", ports={"http": 1}, service={"name": "web"})
    options = ("--http", "127.0.0.1:0", "--node", "of-the-option", "--config", str(file), "--json")
    with muster.staying("agent", *options) as agent:
        running = json.loads(agent.line())
        assert running.keys() == {"url", "address", "dns"}
        assert running["dns"] is None
        config = ask(running["address"], "/v1/agent/self")["Config"]
        assert (config["NodeName"], config["Datacenter"]) == ("of-the-option", "of-the-file")
        assert list(ask(running["address"], "/v1/agent/services")) == ["web"]
        assert agent.end() == 0


def test_a_hangup_has_it_read_again_and_a_broken_file_changes_nothing(muster: Command, tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    write(file, ports={"http": 0}, service={"name": "first"}, log_level="info")
    with muster.staying("agent", "--config", str(tmp_path), "--json") as agent:
        address = json.loads(agent.line())["address"]
        write(file, servce={"name": "second"})
        agent.process.send_signal(signal.SIGHUP)
        agent.said("the configuration stays as it was")
        assert f"{file}: unknown key 'servce'; did you mean 'service'?" in agent.err
        assert list(ask(address, "/v1/agent/services")) == ["first"]
        write(file, ports={"http": 0}, service={"name": "second"}, log_level="debug")
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_for(lambda: list(ask(address, "/v1/agent/services")) == ["second"])
        agent.said("the configuration was read again")
        write(file, ports={"http": 0}, log_level="error")
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_for(lambda: ask(address, "/v1/agent/services") == {})
        assert agent.err.count("the configuration was read again") == 1, "told at info, and errors alone are asked for"
        assert agent.end() == 0


def test_the_level_of_the_command_line_wins(muster: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.json", ports={"http": 0}, log_level="debug")
    with muster.staying("--log", "error", "agent", "--config", str(tmp_path / "a.json")) as agent:
        assert agent.line().startswith("agent at ")
        assert agent.end() == 0
        assert agent.err == ""


def test_without_a_configuration_a_hangup_ends_it(muster: Command) -> None:
    with muster.staying("agent", "--http", "127.0.0.1:0") as agent:
        agent.line()
        assert agent.end(signal.SIGHUP) == 0


def test_it_says_where_dns_is(muster: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.json", domain="corp.test")
    options = ("--http", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--config", str(tmp_path))
    with muster.staying("agent", *options) as agent:
        assert re.match(r"agent at consul://127.0.0.1:\d+, DNS at 127.0.0.1:\d+  ", agent.line())
        agent.said("DNS for corp.test is at")
        assert agent.end() == 0
    with muster.staying("agent", *options, "--json") as agent:
        assert re.fullmatch(r"127.0.0.1:\d+", json.loads(agent.line())["dns"])
        assert agent.end() == 0


def test_options_are_held_to_what_files_are(muster: Command) -> None:
    for option, value, complaint in (
        ("--node", "", "node_name '': a name"),
        ("--datacenter", "a b", "datacenter 'a b': letters"),
        ("--data-dir", "", "data_dir '': the path"),
    ):
        done = muster("agent", "--http", "127.0.0.1:0", option, value)
        assert done.status == 1
        assert done.error.startswith(f"the command line: {complaint}")


def test_what_is_wrong_is_one_line(muster: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.json", node_nmae="x")
    done = muster("agent", "--config", str(tmp_path / "a.json"))
    assert done.status == 1
    assert done.error == f"{tmp_path}/a.json: unknown key 'node_nmae'; did you mean 'node_name'?"
    assert "cannot be read" in muster("agent", "--config", str(tmp_path / "b.json")).error
    assert "--config" in muster("agent", "--proxy", "consul://x", "--config", str(tmp_path)).error
