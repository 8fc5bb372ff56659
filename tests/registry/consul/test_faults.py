"""A registry's bad days, over real sockets: each ends in an error that says what happened, and never in Absent."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration, Denied, MusterError, RegistryUnavailable, Rejected
from muster.model.events import EntrySetAside, Event
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, Known, Pending, Snapshot
from muster.registry.consul import from_url
from muster.registry.consul.registry import Consul
from muster.testing.scripted import HANG, REFUSE, Hang, Received, Scripted, Send, Step, answer, head
from muster.testing.servers import free_ports
from muster.watch.latest import Latest
from muster.watch.watcher import follow

pytestmark = pytest.mark.anyio

NOBODY = answer("[]", index=5)
WEB: list[dict[str, Any]] = [
    {"Node": {"Node": "n1", "Address": "10.0.0.9"}, "Service": {"ID": "w-1", "Service": "web", "Port": 80}}
]
SOMEBODY = answer(json.dumps(WEB), index=7)
KNOWN = Known("web", (Instance("w-1", "web", "10.0.0.9", 80),))
NO_RULES = answer("ACL support disabled", status=401)


def consul(server: Scripted, options: str = "") -> Consul:
    return from_url(f"consul://{server.address}{options}", {})


async def first(registry: Consul, name: str = "web") -> Answer:
    async with aclosing(registry.watch(name)) as answers:
        return await anext(answers)


async def twice(registry: Consul, name: str) -> list[Answer]:
    async with aclosing(registry.watch(name)) as answers:
        return [await anext(answers), await anext(answers)]


async def failure(server: Scripted, options: str = "") -> MusterError:
    """What the first look at a name raises."""
    async with consul(server, options) as registry:
        with pytest.raises(MusterError) as caught:
            await first(registry)
    return caught.value


@pytest.mark.parametrize(
    ("step", "kind", "text"),
    [
        (answer("Permission denied", status=403), Denied, 'the token lacks: service "web" { policy = "read" }'),
        (
            answer("[]", index=5, headers={"X-Consul-Results-Filtered-By-ACLs": "true"}),
            Denied,
            "left out of its answer",
        ),
        (answer("Your IP is issuing too many", status=429), RegistryUnavailable, "it is busy"),
        (answer("", status=503), RegistryUnavailable, "it is busy"),
        (answer("No cluster leader", status=500), RegistryUnavailable, "No cluster leader"),
        (answer("", status=301, headers={"Location": "/ui/"}), RegistryUnavailable, "is that a Consul agent?"),
        (answer("<html>It works!</html>", index=5), RegistryUnavailable, "none of Consul's"),
        (answer("<html>It works!</html>"), RegistryUnavailable, "X-Consul-Index"),
        (answer('{"a": 1}', index=5), RegistryUnavailable, "none of Consul's"),
        (answer(b"\xff\xfe\x00", index=5), RegistryUnavailable, "none of Consul's"),
        (answer("[]", headers={"X-Consul-Index": "five"}), RegistryUnavailable, "X-Consul-Index"),
        (REFUSE, RegistryUnavailable, "closed the connection without an answer"),
        (Send(b"SSH-2.0-OpenSSH_9.2\r\n", close=True), RegistryUnavailable, "no HTTP answer"),
        (Send(head(200, {"Content-Length": "100"}) + b"[{", close=True), RegistryUnavailable, "broke off"),
        (Send(head(200, {"Transfer-Encoding": "chunked"}) + b"5\r\n[", close=True), RegistryUnavailable, "broke off"),
        (
            answer(b"no gzip", index=5, headers={"Content-Encoding": "gzip"}),
            RegistryUnavailable,
            "broke off or does not",
        ),
        (HANG, RegistryUnavailable, "no answer within 0.2 s"),
        (Hang(head(200, {"Content-Length": "9"}) + b"["), RegistryUnavailable, "no answer within 0.2 s"),
    ],
)
async def test_a_bad_answer(step: Step, kind: type[MusterError], text: str) -> None:
    async with Scripted([step]) as server:
        error = await failure(server, "?timeout=200ms")
        assert isinstance(error, kind)
        assert text in str(error)
        assert server.address in str(error)


async def test_a_busy_agent_says_for_how_long() -> None:
    async with Scripted([answer("", status=429, headers={"Retry-After": "7"})]) as server:
        error = await failure(server)
        assert isinstance(error, RegistryUnavailable)
        assert error.retry_after == 7.0


async def test_nobody_listens() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with from_url(f"consul://{address}", {}) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            await first(registry)
    advice = f"connection refused: is an agent running there? try: muster agent --http {address}"
    assert str(caught.value).endswith(advice)


async def test_no_agent_of_ours_can_be_put_behind_a_socket() -> None:
    async with from_url("consul+unix:///no/such.sock", {}) as registry:
        with pytest.raises(RegistryUnavailable, match=r"is an agent running there\?$"):
            await first(registry)


async def test_a_host_name_that_does_not_exist() -> None:
    async with from_url("consul://no-such-host.invalid:8500", {}) as registry:
        with pytest.raises(RegistryUnavailable, match=r"'no-such-host.invalid' cannot be resolved"):
            await first(registry)


async def test_an_answer_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured unpacked: a small body can claim to be a large one."""
    monkeypatch.setattr("muster.registry.consul.client.LARGEST_ANSWER", 1_000_000)
    packed = gzip.compress(b" " * 50_000_000)
    async with Scripted([answer(packed, index=5, headers={"Content-Encoding": "gzip"})]) as server:
        assert "larger than 1000000 bytes" in str(await failure(server))


async def test_a_large_answer_is_read() -> None:
    many = [{**WEB[0], "Service": {**WEB[0]["Service"], "ID": f"w-{number:05}"}} for number in range(5000)]
    async with Scripted([answer(json.dumps(many), index=5)]) as server, consul(server) as registry:
        found = await first(registry)
        assert isinstance(found, Known)
        assert len(found.instances) == 5000


async def test_100_000_instances_among_them_some_that_make_no_sense() -> None:
    node = '{"Node": {"Node": "n1", "Address": "10.0.0.9"}, "Service": {"ID": "w-%05d", "Service": "web", "Port": %d}}'
    entries = [node % (number, 0 if number % 10_000 == 0 else 80) for number in range(100_000)]
    body = f"[{','.join(entries)},7]"
    async with Scripted([answer(body, index=5)]) as server, consul(server) as registry:
        found = await first(registry)
        assert isinstance(found, Known)
        assert len(found.instances) == 99_990
        assert len(found.set_aside) == 11


async def test_an_entry_that_cannot_be_used_costs_only_itself() -> None:
    broken = [*WEB, {"Service": {"ID": "odd", "Port": "80"}}]
    async with Scripted([answer(json.dumps(broken), index=5)]) as server, consul(server) as registry:
        found = await first(registry)
        assert isinstance(found, Known)
        assert found.instances == KNOWN.instances
        assert [each.entry for each in found.set_aside] == ["'odd'"]


async def test_each_entry_set_aside_is_told_once_for_as_long_as_it_stays() -> None:
    broken = [*WEB, {"Service": {"ID": "odd", "Port": "80"}}]
    worse = [*broken, {"Service": {"ID": "odder", "Port": -1}}]
    steps = [answer(json.dumps(body), index=5 + n) for n, body in enumerate((broken, broken, worse, WEB, broken))]
    events: list[Event] = []
    latest = Latest[Snapshot](Pending("web"))

    async def follow_it(registry: Consul) -> None:
        await follow(registry, latest, events.append)

    async with Scripted([*steps, HANG]) as server, consul(server) as registry, asyncio.TaskGroup() as group:
        following = group.create_task(follow_it(registry))
        await server.until(lambda server: len(server.requests) == len(steps) + 1)
        following.cancel()
    told = [event for event in events if isinstance(event, EntrySetAside)]
    assert [event.entry for event in told] == ["'odd'", "'odder' on node ''", "'odd'"]
    assert told[0].why.startswith("Expected `int`")


# Blocking queries


def indexes(server: Scripted) -> list[str]:
    """The index in each read so far, "-" for none."""
    return [each.params.get("index", "-") for each in server.requests if each.path == "/v1/health/service/web"]


async def test_the_index_goes_round() -> None:
    steps = [answer(json.dumps(WEB), index=index) for index in (7, 9, 3, 4)]
    async with (
        Scripted([*steps, HANG]) as server,
        consul(server) as registry,
        aclosing(registry.watch("web")) as answers,
    ):
        for _ in range(4):
            assert await anext(answers) == KNOWN
    assert indexes(server) == ["-", "7", "9", "-"], "9 to 3 goes backwards: start over"


async def test_an_index_of_0_does_not_spin() -> None:
    """It counts as 1, which blocks; an agent that answers at once all the same is asked more and more seldom."""
    async with Scripted([answer(json.dumps(WEB), index=0)]) as server, consul(server) as registry:
        started = time.monotonic()
        async with aclosing(registry.watch("web")) as answers:
            for _ in range(5):
                await anext(answers)
        assert time.monotonic() - started > 0.05 + 0.1
    assert indexes(server) == ["-", "1", "1", "1", "1"]


async def test_a_blocked_query_asks_for_a_wait_and_is_given_up_later() -> None:
    async with (
        Scripted([SOMEBODY, HANG]) as server,
        consul(server, "?wait=200ms&timeout=100ms") as registry,
        aclosing(registry.watch("web")) as answers,
    ):
        await anext(answers)
        started = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="no answer within"):
            await anext(answers)
        assert time.monotonic() - started > 0.18 * 17 / 16 + 0.1
    wait = server.requests[1].params["wait"]
    assert 180 <= int(wait.removesuffix("ms")) <= 200


async def test_a_blocked_query_is_not_sent_again_when_its_connection_breaks() -> None:
    """Sent again to an agent that has restarted it would wait for an index of the agent's former life."""
    async with (
        Scripted([SOMEBODY, REFUSE]) as server,
        consul(server) as registry,
        aclosing(registry.watch("web")) as answers,
    ):
        await anext(answers)
        with pytest.raises(RegistryUnavailable, match="closed the connection"):
            await anext(answers)
    assert indexes(server) == ["-", "7"]


@asynccontextmanager
async def blocked(answers: AsyncGenerator[Answer, None], server: Scripted) -> AsyncIterator[None]:
    """Meanwhile an answer is waited for which does not come, its request having arrived; that is then cancelled."""
    count = len(server.requests)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(anext(answers))
        await server.until(lambda server: len(server.requests) > count)
        yield
        waiting.cancel()


async def test_cancelling_closes_the_request_at_once() -> None:
    async with (
        Scripted([SOMEBODY, HANG]) as server,
        consul(server) as registry,
        aclosing(registry.watch("web")) as answers,
    ):
        await anext(answers)
        async with blocked(answers, server):
            assert server.gone == 0
        await server.until(lambda server: server.gone == 1)


async def test_leaving_closes_every_connection() -> None:
    async with Scripted([SOMEBODY]) as server:
        async with consul(server) as registry:
            await first(registry)
        await server.until(lambda server: server.gone == 1)


# Staleness and rights


async def test_reads_are_stale_by_default() -> None:
    async with Scripted([SOMEBODY]) as server:
        for options, stale in (("", True), ("?stale=0", False), ("?dc=east", True)):
            async with consul(server, options) as registry:
                await first(registry)
            assert ("stale" in server.requests[-1].params) is stale
    assert server.requests[-1].params["dc"] == "east"


@pytest.mark.parametrize(
    "headers", [{"X-Consul-LastContact": "10001"}, {"X-Consul-LastContact": "0", "X-Consul-KnownLeader": "false"}]
)
async def test_an_answer_that_is_too_old_is_asked_of_the_leader(headers: dict[str, str]) -> None:
    old = answer("[]", index=3, headers=headers)
    async with Scripted([old, SOMEBODY]) as server, consul(server) as registry:
        assert await first(registry) == KNOWN
    assert ["stale" in each.params for each in server.requests] == [True, False]


def with_rights(service: bool, node: bool, names: str = "{}") -> Scripted:
    """Consul before 1.11, which gives an empty list to a token without rights, and nothing else that tells."""

    def step(received: Received) -> Step:
        match received.path:
            case "/v1/internal/acl/authorize":
                verdicts = [{"Resource": "service", "Allow": service}, {"Resource": "node", "Allow": node}]
                return answer(json.dumps(verdicts))
            case "/v1/catalog/services":
                return answer(names, index=5)
            case _:
                return NOBODY

    return Scripted(step)


@pytest.mark.parametrize(
    ("service", "node", "names", "rule"),
    [
        (True, True, "{}", None),
        (False, False, "{}", 'service "web" { policy = "read" } and node_prefix "" { policy = "read" }'),
        (False, True, "{}", 'service "web" { policy = "read" } and node_prefix "" { policy = "read" }'),
        (True, False, '{"Web": []}', 'node_prefix "" { policy = "read" }'),
        (True, False, '{"other": []}', None),
    ],
)
async def test_nobody_or_nobody_for_this_token(service: bool, node: bool, names: str, rule: str | None) -> None:
    async with with_rights(service, node, names) as server, consul(server) as registry:
        if rule is None:
            assert await first(registry) == Absent("web")
            return
        with pytest.raises(Denied) as caught:
            await first(registry)
        assert caught.value.rule == rule


async def test_no_names_or_none_for_this_token() -> None:
    async with with_rights(True, True) as server, consul(server) as registry, aclosing(registry.watch_names()) as names:
        assert await anext(names) == {}
    async with (
        with_rights(False, True) as server,
        consul(server) as registry,
        aclosing(registry.watch_names()) as names,
    ):
        with pytest.raises(Denied, match="service_prefix"):
            await anext(names)


@pytest.mark.parametrize("step", [NO_RULES, answer("", status=404), answer("", status=405)])
async def test_where_rights_cannot_be_asked_nobody_is_absent(step: Step) -> None:
    async with Scripted([NOBODY, step]) as server, consul(server) as registry:
        assert await first(registry) == Absent("web")


@pytest.mark.parametrize("step", [answer("No cluster leader", status=500), REFUSE, answer("ACL not found", status=403)])
async def test_where_asking_for_rights_fails_absence_is_not_told(step: Step) -> None:
    async with Scripted([NOBODY, step]) as server, consul(server) as registry:
        with pytest.raises((RegistryUnavailable, Denied)):
            await first(registry)


# What is sent


async def test_headers(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file")
    environ = {"CONSUL_NAMESPACE": "team", "CONSUL_HTTP_AUTH": "user:päss", "CONSUL_HTTP_TOKEN_FILE": str(file)}
    async with Scripted([SOMEBODY]) as server:
        async with from_url(f"consul://{server.address}", environ) as registry:
            await first(registry)
            file.write_text("renewed")
            await first(registry)
        async with consul(server) as registry:
            await first(registry)
    one, two, bare = (each.headers for each in server.requests)
    assert (one["x-consul-token"], two["x-consul-token"]) == ("from-file", "renewed")
    assert one["x-consul-namespace"] == "team"
    assert one["authorization"] == "Basic dXNlcjpww6Rzcw=="
    assert one["accept-encoding"] == "identity"
    assert not {"x-consul-token", "x-consul-namespace", "authorization", "cookie"} & bare.keys()


async def test_the_token_is_in_no_error() -> None:
    async with Scripted([answer("no such token: s3cret", status=403)]) as server:
        error = await failure(server, "?token=s3cret")
        assert "no such token: ..." in str(error)
        assert "s3cret" not in repr(error)


async def test_names_are_quoted() -> None:
    async with Scripted([answer("[]", index=1), NO_RULES]) as server, consul(server) as registry:
        assert await first(registry, "a b/ü?&#%") == Absent("a b/ü?&#%")
    assert server.requests[0].target.startswith("/v1/health/service/a%20b%2F%C3%BC%3F%26%23%25?")


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "a//b", "/a"])
async def test_names_that_would_be_another_path_are_rejected(name: str) -> None:
    async with Scripted([NOBODY]) as server, consul(server) as registry:
        with pytest.raises(Rejected):
            await first(registry, name)
    assert server.requests == []


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "consul.sock"
    async with Scripted([SOMEBODY], socket=str(path)), from_url(f"consul+unix://{path}", {}) as registry:
        assert await first(registry) == KNOWN
    async with from_url("consul://", {"CONSUL_HTTP_ADDR": f"unix://{tmp_path}/none.sock"}) as registry:
        with pytest.raises(RegistryUnavailable, match="is an agent running there"):
            await first(registry)


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """PEM files of an authority and of a client's certificate."""
    client = authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    return {"ca": str(tmp_path / "ca.pem"), "client": str(tmp_path / "client.pem")}


def server_side(authority: trustme.CA, *names: str, client_needed: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    if client_needed:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_tls_with_both_certificates(authority: trustme.CA, files: dict[str, str]) -> None:
    environ = {
        "CONSUL_CACERT": files["ca"],
        "CONSUL_CLIENT_CERT": files["client"],
        "CONSUL_CLIENT_KEY": files["client"],
    }
    tls = server_side(authority, "127.0.0.1", client_needed=True)
    async with (
        Scripted([SOMEBODY], tls=tls) as server,
        from_url(f"consul+https://{server.address}", environ) as registry,
    ):
        assert await first(registry) == KNOWN


async def test_tls_under_another_name(authority: trustme.CA, files: dict[str, str]) -> None:
    """Consul's own certificates are for names like server.dc1.consul, which no DNS knows."""
    async with Scripted([SOMEBODY], tls=server_side(authority, "server.dc1.consul")) as server:
        url = f"consul+https://{server.address}?ca_file={files['ca']}"
        async with from_url(f"{url}&server_name=server.dc1.consul", {}) as registry:
            assert await first(registry) == KNOWN
        async with from_url(url, {}) as registry:
            with pytest.raises(RegistryUnavailable, match="certificate is not trusted"):
                await first(registry)


async def test_tls_that_is_not_trusted(authority: trustme.CA) -> None:
    async with Scripted([SOMEBODY], tls=server_side(authority, "127.0.0.1")) as server:
        async with from_url(f"consul+https://{server.address}", {}) as registry:
            with pytest.raises(RegistryUnavailable, match=r"not trusted.*CONSUL_CACERT"):
                await first(registry)
        async with from_url(f"consul+https://{server.address}?verify=0", {}) as registry:
            assert await first(registry) == KNOWN


async def test_tls_on_the_server_only(authority: trustme.CA) -> None:
    async with Scripted([SOMEBODY], tls=server_side(authority, "127.0.0.1")) as server:
        assert isinstance(await failure(server), RegistryUnavailable)


async def test_tls_on_the_client_only() -> None:
    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with from_url(f"consul+https://127.0.0.1:{port}", {}) as registry:
            with pytest.raises(RegistryUnavailable, match="does that port speak TLS"):
                await first(registry)


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for options in (f"ca_file={tmp_path}/none.pem", f"ca_file={empty}", f"cert_file={empty}&key_file={empty}"):
        async with from_url(f"consul+https://127.0.0.1:1?{options}", {}) as registry:
            with pytest.raises(BadConfiguration, match=str(tmp_path)):
                await first(registry)


# Writes

REGISTRATION = Registration(Instance("g-1", "greeter", "127.0.0.1", 9000))
UNKNOWN = answer("unknown service ID: g-1", status=404)


@pytest.mark.parametrize(
    ("steps", "kind", "text"),
    [
        ([UNKNOWN, answer("Permission denied", status=403)], Denied, 'service "greeter" { policy = "write" }'),
        ([answer("Permission denied", status=403)], Denied, 'service "greeter" { policy = "write" }'),
        ([UNKNOWN, answer("Invalid service address", status=400)], Rejected, "Invalid service address"),
        ([UNKNOWN, HANG], RegistryUnavailable, "no answer within"),
        ([answer("<html>")], RegistryUnavailable, "none of Consul's"),
        ([answer("{}"), answer("[]")], Rejected, "is taken"),
        ([answer('{"ID": "g-1", "Service": "greeter"}'), answer("[]")], RegistryUnavailable, "none of Consul's"),
    ],
)
async def test_a_registration_that_fails(steps: list[Step], kind: type[MusterError], text: str) -> None:
    async with Scripted(steps) as server, consul(server, "?timeout=200ms") as registry:
        with pytest.raises(kind) as caught:
            await registry.register(REGISTRATION)
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (answer("Permission denied", status=403), Denied),
        (answer("No cluster leader", status=500), RegistryUnavailable),
        (answer("", status=429), RegistryUnavailable),
        (HANG, RegistryUnavailable),
    ],
)
async def test_a_beat_or_deregistration_that_fails(step: Step, kind: type[MusterError]) -> None:
    async with Scripted([step]) as server, consul(server, "?timeout=200ms") as registry:
        with pytest.raises(kind):
            await registry.beat("g-1", CheckState("self", Health.PASSING))
        with pytest.raises(kind):
            await registry.deregister("g-1")


async def test_heartbeats_have_connections_of_their_own() -> None:
    def step(received: Received) -> Step:
        return answer() if received.method == "PUT" else SOMEBODY if "index" not in received.params else HANG

    async with Scripted(step) as server, consul(server) as registry, aclosing(registry.watch("web")) as answers:
        await anext(answers)
        async with blocked(answers, server):
            for _ in range(2):
                await registry.beat("g-1", CheckState("self", Health.PASSING))
    beats = [each.connection for each in server.requests if each.method == "PUT"]
    reads = [each.connection for each in server.requests if each.method == "GET"]
    assert len(set(beats)) == 1, "and keep them"
    assert not set(beats) & set(reads)


async def test_many_watches_hold_up_no_heartbeat() -> None:
    def step(received: Received) -> Step:
        return answer() if received.method == "PUT" else HANG if "index" in received.params else SOMEBODY

    async with Scripted(step) as server, consul(server) as registry, asyncio.TaskGroup() as group:
        watches: list[Any] = [group.create_task(twice(registry, f"web-{number}")) for number in range(64)]
        await server.until(lambda server: len(server.requests) == 128)
        await registry.beat("g-1", CheckState("self", Health.PASSING))
        for watch in watches:
            watch.cancel()
