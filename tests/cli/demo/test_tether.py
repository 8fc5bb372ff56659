"""A child of the demo ends when whoever started it has gone."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection

import pytest

SECONDS = 60.0


@pytest.fixture
def tethered() -> subprocess.Popen[bytes]:
    """An agent, as the demo starts it."""
    command = [sys.executable, "-P", "-m", "muster.cli.demo.tether", "agent", "--http", "127.0.0.1:0", "--json"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_it_runs_while_its_standard_input_is_open_and_ends_in_order_with_it(tethered: subprocess.Popen[bytes]) -> None:
    with tethered:
        assert tethered.stdout is not None
        assert tethered.stdin is not None
        address = json.loads(tethered.stdout.readline())["address"]
        connection = HTTPConnection(address, timeout=30)
        connection.request("GET", "/v1/status/leader")
        assert connection.getresponse().status == 200
        connection.close()
        tethered.stdin.close()
        assert tethered.wait(SECONDS) == 0
