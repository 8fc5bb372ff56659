"""The real Consul of the tests: it starts, forgets when restarted, and ends."""

from __future__ import annotations

import os
import urllib.error

import pytest

from muster.testing.servers import ConsulServer


def test_starts_and_knows_itself(own_consul: ConsulServer) -> None:
    assert own_consul.ask("/v1/catalog/services") == {"consul": []}
    assert own_consul.url == f"consul://{own_consul.address}"


def test_restart_keeps_the_address_and_forgets_everything(own_consul: ConsulServer) -> None:
    own_consul.ask("/v1/agent/service/register", method="PUT", body={"Name": "greeter"})
    assert "greeter" in own_consul.ask("/v1/agent/services")
    address = own_consul.address
    own_consul.restart()
    assert own_consul.address == address
    assert own_consul.ask("/v1/agent/services") == {}


def test_killed_it_is_gone(own_consul: ConsulServer) -> None:
    pid = own_consul.pid
    assert pid is not None
    own_consul.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(urllib.error.URLError):
        own_consul.ask("/v1/status/leader")
    own_consul.stop()


def test_a_consul_that_cannot_start_says_why(consul_binary: str) -> None:
    with pytest.raises(RuntimeError, match="nonsense"):
        ConsulServer(consul_binary, "-hcl", "nonsense = 1").start()
