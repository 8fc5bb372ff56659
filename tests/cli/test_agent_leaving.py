"""`muster agent` that a client asks to leave, in a process of its own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

Command = Any
"""The Command of conftest.py, which cannot be imported."""


def put(address: str, path: str) -> int:
    request = urllib.request.Request(f"http://{address}{path}", method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(answer.status)


def test_a_client_that_asks_it_to_leave_is_answered_and_it_ends_in_order(muster: Command) -> None:
    with muster.staying("agent", "--http", "127.0.0.1:0", "--json") as agent:
        address = json.loads(agent.line())["address"]
        assert put(address, "/v1/agent/leave") == 200
        assert agent.process.wait(60) == 0
        assert "Traceback" not in agent.err


def test_programs_are_run_only_if_allowed(muster: Command) -> None:
    check = json.dumps({"Name": "c", "Args": ["true"], "Interval": "1s"}).encode()
    for options, status in (((), 500), (("--enable-script-checks",), 200)):
        with muster.staying("agent", "--http", "127.0.0.1:0", "--json", *options) as agent:
            address = json.loads(agent.line())["address"]
            url = f"http://{address}/v1/agent/check/register"
            try:
                with urllib.request.urlopen(urllib.request.Request(url, data=check, method="PUT")) as answer:
                    assert answer.status == status
            except urllib.error.HTTPError as error:
                assert error.code == status
                assert b"enable_script_checks" in error.read()
            assert agent.end() == 0
