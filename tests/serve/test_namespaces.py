"""Which address goes into the registry, on machines with interfaces of their own: the registry must get there by it.

several ---- 10.1.0.0/24 ---- registry      and a default route that leads elsewhere
six ------- fd00:6::/64 ----- registry      no IPv4 at all
both ------ 10.4.0.0/24, fd00:4::/64 ---- registry
container -- 172.17.0.0/24 -- host ---- 10.3.0.0/24 ---- registry
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.serve.namespaces import Namespaces, expected, refused

HERE = Path(__file__).parent
NAMES = ("registry", "several", "elsewhere", "six", "both", "host", "container")
LINKS = (
    (("several", "10.2.0.2/24"), ("elsewhere", "10.2.0.1/24")),
    (("several", "10.1.0.2/24"), ("registry", "10.1.0.1/24")),
    (("six", "fd00:6::2/64"), ("registry", "fd00:6::1/64")),
    (("both", "10.4.0.2/24"), ("registry", "10.4.0.1/24")),
    (("both", "fd00:4::2/64"), ("registry", "fd00:4::1/64")),
    (("host", "10.3.0.2/24"), ("registry", "10.3.0.1/24")),
    (("container", "172.17.0.2/24"), ("host", "172.17.0.1/24")),
)
GATEWAYS = {"several": "10.2.0.1", "both": "10.4.0.1", "container": "172.17.0.1"}
PORT = "9000"
PROXY = ("10.3.0.2:31000", f"172.17.0.2:{PORT}", "172.17.0.1:8500", "10.3.0.1:8500")
"""The mapped port, and the container's way to the registry."""
CONSUL = ("-dev", "-bind=10.1.0.1", "-client=::", "-dns-port=-1", "-hcl", 'check_update_interval = "0s"')
"""Without the last one, what a check says shows only once its status has changed, or five minutes later."""
OURS = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "CONSUL_", "MICRO_"))}

PROGRAM = """
import os

import muster

service = muster.Service(
    os.environ["NAME"],
    host=os.environ["HOST"],
    port=int(os.environ["PORT"]),
    timing=muster.Timing(drain=0.0, reach=1.0),
    protocols=[os.environ.get("PROTOCOL", "grpc")],
)


@service.handler
class Say:
    async def hello(self, name: str) -> str:
        return f"Hello {name}"


service.run()
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Namespaces]:
    """Where the kernel or a container forbids namespaces there is nothing to try; it never forbids them to root."""
    if why := refused():
        if os.environ.get("MUSTER_REQUIRE_SERVERS") == "1" and expected():
            pytest.fail(why)
        pytest.skip(f"no network namespaces here: {why}")
    with Namespaces(NAMES, LINKS, GATEWAYS) as namespaces:
        yield namespaces


class Machines:
    """Programs in the namespaces, with a log each; killed at the end."""

    def __init__(self, network: Namespaces, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._ending = ExitStack()

    def start(self, where: str, name: str, *command: str, **environ: str) -> None:
        log = self._ending.enter_context((self._folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            self._network.within(where, *command),
            cwd=self._folder,
            env=OURS | environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self._ending.callback(process.wait, 20)
        self._ending.callback(process.kill)

    def serve(self, where: str, name: str, host: str, registry: str, **environ: str) -> None:
        environ = {"NAME": name, "HOST": host, "PORT": PORT, "MUSTER_REGISTRY": registry} | environ
        self.start(where, name, sys.executable, "program.py", **environ)

    def ask(self, where: str, *command: str) -> str:
        done = subprocess.run(
            self._network.within(where, *command), cwd=self._folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr + self.logs
        return done.stdout

    @property
    def logs(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in self._folder.glob("*.log"))

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._ending:
            yield


@pytest.fixture(scope="module")
def found(network: Namespaces, consul_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the registry's machine finds, once the registry has called every instance."""
    folder = tmp_path_factory.mktemp("machines")
    (folder / "program.py").write_text(PROGRAM)
    machines = Machines(network, folder)
    with machines.running():
        machines.start("registry", "consul", consul_binary, "agent", *CONSUL)
        machines.start("host", "proxy", sys.executable, str(HERE / "forwarding.py"), *PROXY)
        machines.serve("several", "several", "0.0.0.0", "consul://10.1.0.1:8500")
        machines.serve("six", "six", "::", "consul://[fd00:6::1]:8500")
        machines.serve("both", "four", "0.0.0.0", "consul://[fd00:4::1]:8500")
        machines.serve("both", "web", "::", "consul://10.4.0.1:8500", PORT="9001", PROTOCOL="http")
        behind = "consul://172.17.0.1:8500"
        machines.serve("container", "mapped", "0.0.0.0", behind, MUSTER_ADVERTISE="10.3.0.2:31000")
        machines.serve("container", "unmapped", "0.0.0.0", behind, PORT="9001")
        names = ("several", "six", "four", "web", "mapped", "unmapped")
        answer = machines.ask("registry", sys.executable, str(HERE / "looking.py"), *names)
    result: Mapping[str, Any] = json.loads(answer)
    return result


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("several", ["10.1.0.2", 9000]),  # not 10.2.0.2, to which the default route leads
        ("six", ["fd00:6::2", 9000]),
        ("four", ["10.4.0.2", 9000]),  # it listens at no other kind of address, though the registry's is one
        ("web", ["10.4.0.2", 9001]),  # :: takes connections by IPv4 too
        ("mapped", ["10.3.0.2", 31000]),
    ],
)
def test_the_registry_and_a_client_get_there(found: Mapping[str, Any], name: str, address: list[Any]) -> None:
    assert found[name]["address"] == address
    assert found[name]["reach"] == "passing", found[name]["output"]
    assert found[name]["answer"] == "Hello world"


def test_behind_a_mapped_port_that_was_not_told_of_nobody_gets_there(found: Mapping[str, Any]) -> None:
    """The address is right as far as the container can know; the registry's own call tells the truth."""
    assert found["unmapped"]["address"] == ["172.17.0.2", 9001]
    assert found["unmapped"]["reach"] == "critical"
    assert "unreachable" in found["unmapped"]["output"]
    assert found["unmapped"]["answer"] == "NoInstances"


ASK_FOR_IPV4 = """
import asyncio, socket
from muster.serve.advertise import interface_towards
asyncio.run(interface_towards(("fd00:6::1", 8500), socket.AF_INET))
"""


def test_where_there_is_no_way_at_all_it_is_said_what_to_do(network: Namespaces) -> None:
    """Bound to 0.0.0.0 where there is no IPv4."""
    command = network.within("six", sys.executable, "-c", ASK_FOR_IPV4)
    done = subprocess.run(command, env=OURS, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert "no interface leads to the registry at fd00:6::1" in last
    assert "MUSTER_ADVERTISE" in last
    assert "listen on '::'" in last
