"""Where an instance runs: said, or asked of whoever knows."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import muster
from muster.model.errors import BadConfiguration
from muster.serve.zones import finding, zone_of
from muster.testing.scripted import HANG, REFUSE, Received, Scripted, Step, answer

pytestmark = pytest.mark.anyio

TOKEN = "AQAEAHIWc4n"


def metadata_service(received: Received) -> Step:
    """As Amazon describes IMDSv2: nothing without a token, no token without a time to live."""
    if (received.method, received.path) == ("PUT", "/latest/api/token"):
        return answer(TOKEN) if "x-aws-ec2-metadata-token-ttl-seconds" in received.headers else answer(status=400)
    if received.headers.get("x-aws-ec2-metadata-token") != TOKEN:
        return answer(status=401)
    is_zone = received.path == "/latest/meta-data/placement/availability-zone"
    return answer("eu-west-1a") if is_zone else answer(status=404)


@pytest.mark.parametrize(
    ("given", "environ", "zone"),
    [
        ("a", {"MUSTER_ZONE": "b", "MUSTER_ZONE_FROM": "nobody"}, "a"),
        ("", {"MUSTER_ZONE": " b ", "MUSTER_ZONE_FROM": "nobody"}, "b"),
        ("", {"MUSTER_ZONE": " ", "MUSTER_ZONE_FROM": ""}, ""),
        ("", {}, ""),
    ],
)
async def test_what_was_said_goes_first_and_nobody_is_asked_unasked(
    given: str, environ: dict[str, str], zone: str
) -> None:
    assert await zone_of(given, environ) == zone


async def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("rack-7\n")
    assert await zone_of("", {"MUSTER_ZONE_FROM": f"file:{tmp_path}/zone"}) == "rack-7"
    with pytest.raises(BadConfiguration, match="nowhere"):
        await zone_of("", {"MUSTER_ZONE_FROM": f"file:{tmp_path}/nowhere"})


async def test_the_metadata_service_of_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Scripted(metadata_service) as service:
        assert await zone_of("", {"MUSTER_ZONE_FROM": f"ec2:http://{service.address}"}) == "eu-west-1a"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://{service.address}/")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert await zone_of("", {"MUSTER_ZONE_FROM": "ec2"}) == "eu-west-1a"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (HANG, "no answer in"),
        (REFUSE, "cannot be asked"),
        (answer("gone", status=404), "answered 404"),
        (answer("<html>log in</html>"), "which is none"),
        (answer(""), "which is none"),
        (answer("x" * 300), "which is none"),
        (answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), "answered 302"),
    ],
    ids=["hangs", "refuses", "404", "garbage", "empty", "long", "elsewhere"],
)
async def test_whoever_does_not_answer_keeps_nobody_from_serving(
    step: Step, says: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PATIENCE", 0.2 if step is HANG else finding.PATIENCE)
    async with Scripted([step]) as service:
        asked = f"ec2:http://{service.address}"
        with caplog.at_level(logging.WARNING, "muster.serve"):
            assert await zone_of("", {"MUSTER_ZONE_FROM": asked}) == ""
    assert f"no zone: MUSTER_ZONE_FROM={asked}" in caplog.text
    assert says in caplog.text


async def test_a_source_that_there_is_not() -> None:
    with pytest.raises(BadConfiguration, match=r"nobody is called 'mars'; known: .*ec2, file"):
        await zone_of("", {"MUSTER_ZONE_FROM": "mars:7"})


async def test_a_source_of_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip installs it: an entry point."""
    (tmp_path / "racks.py").write_text("async def zone(argument):\n    return f'rack-{argument}'\n")
    (tmp_path / "racks-1.dist-info").mkdir()
    (tmp_path / "racks-1.dist-info" / "METADATA").write_text("Name: racks\nVersion: 1\n")
    (tmp_path / "racks-1.dist-info" / "entry_points.txt").write_text("[muster.zones]\nracks = racks:zone\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert await zone_of("", {"MUSTER_ZONE_FROM": "racks:7"}) == "rack-7"


async def test_a_service_says_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zone").write_text("rack-7\n")
    monkeypatch.setenv("MUSTER_ZONE_FROM", f"file:{tmp_path}/zone")
    service = muster.Service("zoned", registry="memory://zones", timing=muster.Timing(drain=0.0))
    async with service.running(), muster.Client(registry="memory://zones") as client:
        snapshot = await anext(aiter(client.watch("zoned")))
        assert isinstance(snapshot, muster.Known)
        assert [instance.zone for instance in snapshot.instances] == ["rack-7"]
