"""Which address goes into the registry."""

from __future__ import annotations

import logging
import socket

import pytest

from muster.model.errors import BadConfiguration, RegistryUnavailable
from muster.registry.memory import Memory
from muster.serve.advertise import HERE, Place, Where, advertised, choose, is_loopback, is_wildcard, parse, place_of

LOCAL = Place("127.0.0.1", 8500, gives_address=True)
REMOTE = Place("10.1.2.3", 8500, gives_address=True)
ETCD = Place("127.0.0.1", 2379)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("consul://127.0.0.1:8500", LOCAL),
        ("consul://10.1.2.3:8500", REMOTE),
        ("consul+https://10.1.2.3:8500,10.1.2.4:8500?dc=dc1", REMOTE),
        ("consul://[fd00::1]:8500", Place("fd00::1", 8500, gives_address=True)),
        ("consul://consul.example", Place("consul.example", 0, gives_address=True)),
        ("consul://[::1]", Place("::1", 0, gives_address=True)),
        ("consul+unix:///run/consul.sock", Place("", 0, gives_address=True)),
        ("memory://tests", Place()),
        ("static://?greeter=127.0.0.1:1", Place()),
        ("etcd://127.0.0.1:2379", ETCD),
    ],
)
def test_where_a_registry_is(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    ("bound", "advertise", "place", "where"),
    [
        (("127.0.0.1", 9000), None, LOCAL, ("127.0.0.1", 9000)),
        (("127.0.0.1", 9000), None, HERE, ("127.0.0.1", 9000)),
        (("localhost", 9000), None, LOCAL, ("localhost", 9000)),
        (("10.0.0.7", 9000), None, REMOTE, ("10.0.0.7", 9000)),
        (("fd00::7", 9000), None, REMOTE, ("fd00::7", 9000)),
        (("0.0.0.0", 9000), None, LOCAL, ("", 9000)),
        (("::", 9000), None, LOCAL, ("", 9000)),
        (("", 9000), None, Place("", 0, gives_address=True), ("", 9000)),
        (("0.0.0.0", 9000), None, HERE, ("127.0.0.1", 9000)),
        (("0.0.0.0", 9000), None, ETCD, ("127.0.0.1", 9000)),
        (("0.0.0.0", 9000), None, REMOTE, None),
        (("::", 9000), None, REMOTE, None),
        (("0.0.0.0", 9000), "203.0.113.5:31000", REMOTE, ("203.0.113.5", 31000)),
        (("127.0.0.1", 9000), "203.0.113.5", REMOTE, ("203.0.113.5", 9000)),
        (("127.0.0.1", 9000), "127.0.0.1:31000", REMOTE, ("127.0.0.1", 31000)),
    ],
)
def test_the_address(bound: Where, advertise: str | None, place: Place, where: Where | None) -> None:
    assert choose(bound, advertise, place) == where


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "Localhost.", "db.localhost"])
def test_loopback_is_refused_where_the_registry_serves_other_machines(host: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        choose((host, 9000), None, REMOTE)
    text = str(raised.value)
    assert host in text
    assert "10.1.2.3" in text
    assert "MUSTER_ADVERTISE" in text


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("10.0.0.7:31000", ("10.0.0.7", 31000)),
        ("10.0.0.7", ("10.0.0.7", 9000)),
        ("greeter.example:80", ("greeter.example", 80)),
        ("greeter.example", ("greeter.example", 9000)),
        ("[fd00::7]:31000", ("fd00::7", 31000)),
        ("[fd00::7]", ("fd00::7", 9000)),
        ("fd00::7", ("fd00::7", 9000)),
    ],
)
def test_what_advertise_means(text: str, where: Where) -> None:
    assert parse(text, 9000) == where


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.0.0.0:80", "no address that others can connect to"),
        ("[::]:80", "no address that others can connect to"),
        ("::", "no address that others can connect to"),
        ("10.0.0.7:0", "no address that others can connect to"),
        (":80", "no address that others can connect to"),
        ("10.0.0.7:http", "'http' is not a port"),
        ("10.0.0.7:70000", "'70000' is not a port"),
        ("fd00::7:x:1", "brackets"),
    ],
)
def test_what_cannot_be_advertised(text: str, says: str) -> None:
    with pytest.raises(BadConfiguration, match=says) as raised:
        parse(text, 9000)
    assert "MUSTER_ADVERTISE" in str(raised.value)


def test_wildcard_and_loopback() -> None:
    assert [is_wildcard(host) for host in ("", "0.0.0.0", "::", "0:0::0", "127.0.0.1", "name")] == [True] * 4 + [
        False
    ] * 2
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example")


class Cluster(Memory):
    """A registry on this machine that knows of some others; None: it does not answer."""

    def __init__(self, others: int | None) -> None:
        super().__init__()
        self._others = others
        self.asked = 0

    async def others(self) -> int:
        self.asked += 1
        if self._others is None:
            raise RegistryUnavailable("no leader")
        return self._others


@pytest.mark.anyio
async def test_a_loopback_address_is_refused_by_a_cluster_that_is_reached_on_this_machine() -> None:
    with pytest.raises(BadConfiguration, match=r"with 2 other machines.*to 127\.0\.0\.1 if this"):
        await advertised(("127.0.0.1", 9000), None, LOCAL, Cluster(2))
    for others in (0, None):
        assert await advertised(("127.0.0.1", 9000), None, LOCAL, Cluster(others)) == ("127.0.0.1", 9000)


@pytest.mark.anyio
async def test_nobody_is_asked_where_it_makes_no_difference() -> None:
    cluster = Cluster(2)
    assert await advertised(("127.0.0.1", 9000), "127.0.0.1", LOCAL, cluster) == ("127.0.0.1", 9000)
    assert await advertised(("0.0.0.0", 9000), None, LOCAL, cluster) == ("", 9000)
    assert await advertised(("10.0.0.7", 9000), None, LOCAL, cluster) == ("10.0.0.7", 9000)
    assert not cluster.asked


@pytest.mark.anyio
async def test_the_interface_that_leads_to_the_registry() -> None:
    own = _own_address()
    assert await advertised(("0.0.0.0", 9000), None, Place(own, 8500, gives_address=False)) == (own, 9000)


@pytest.mark.anyio
async def test_a_registry_whose_name_leads_to_this_machine_gives_the_address_itself() -> None:
    """127.1 is no address to Python, but a name that the resolver knows everywhere."""
    assert await advertised(("0.0.0.0", 9000), None, Place("127.1", 8500, gives_address=True)) == ("", 9000)
    assert await advertised(("0.0.0.0", 9000), None, Place("127.1", 2379)) == ("127.0.0.1", 9000)


@pytest.mark.anyio
async def test_a_registry_whose_name_is_not_known_yet(caplog: pytest.LogCaptureFixture) -> None:
    """In a compose file the registry may come up after the service: then the default route has to do."""
    own = _own_address()
    with caplog.at_level(logging.WARNING, "muster.serve"):
        where = await advertised(("0.0.0.0", 9000), None, Place("consul.invalid", 8500, gives_address=True))
    assert where == (own, 9000)
    assert "consul.invalid" in caplog.text


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no default route")
        return str(probe.getsockname()[0])
