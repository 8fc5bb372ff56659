"""What was last known survives a restart; a file that cannot be used is as good as none."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration, RegistryUnavailable
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known, Pending, Stale
from muster.watch.disk import Disk
from muster.watch.hub import Hub
from muster.watch.overrides import Overrides

pytestmark = pytest.mark.anyio

GREETER = Known(
    "greeter",
    (
        Instance(
            "greeter-1",
            "greeter",
            "::1",
            1000,
            "grpc",
            "1.2",
            ("a", "ü"),
            {"k": "v"},
            3,
            "z1",
            Health.WARNING,
            (CheckState("self", Health.WARNING, "busy"),),
            "digest",
            True,
        ),
    ),
)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    disk = Disk(tmp_path, "consul://127.0.0.1:8500")
    disk.prepare()
    return disk


def only_file(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


def test_a_round_trip_loses_nothing(disk: Disk) -> None:
    disk.save(GREETER)
    stale = disk.load("greeter")
    assert stale is not None and stale.instances == GREETER.instances and time.time() - stale.since < 60
    disk.forget("greeter")
    assert disk.load("greeter") is None


def test_names_and_registries_do_not_mix(disk: Disk, tmp_path: Path) -> None:
    odd = Known("../a/b", (Instance("1", "../a/b", "127.0.0.1", 1),))
    disk.save(odd)
    other = Disk(tmp_path, "consul://127.0.0.1:9500")
    other.prepare()
    assert disk.load("../a/b") is not None and other.load("../a/b") is None
    assert only_file(tmp_path).parent.parent == tmp_path
    assert only_file(tmp_path).parent.stat().st_mode & 0o077 == 0, "others cannot write here"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"format": 1}', b'{"format":2,"name":"greeter","saved":9e9,"instances":[]}'],
)
def test_a_file_that_cannot_be_used_is_ignored_with_a_warning(
    disk: Disk, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    disk.save(GREETER)
    only_file(tmp_path).write_bytes(content)
    with caplog.at_level(logging.WARNING, "muster.disk"):
        assert disk.load("greeter") is None
    assert "ignored" in caplog.text


def test_what_is_too_old_is_not_used(tmp_path: Path) -> None:
    disk = Disk(tmp_path, "x", max_age=-1)
    disk.prepare()
    disk.save(GREETER)
    assert disk.load("greeter") is None


def test_a_write_that_fails_leaves_what_was_there(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.save(GREETER)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        disk.save(Known("greeter", ()))
    assert only_file(tmp_path).name == "greeter.json"
    assert (loaded := disk.load("greeter")) is not None and loaded.instances == GREETER.instances


def test_a_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfiguration, match="cache_dir"):
        Disk(tmp_path / "file", "x").prepare()


class Switch:
    """A discovery that answers, fails or hangs."""

    def __init__(self, mood: Answer | Exception | None) -> None:
        self.mood = mood

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        if isinstance(self.mood, Exception):
            raise self.mood
        if self.mood is not None:
            yield self.mood
        await asyncio.sleep(3600)

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        yield {}


async def first_settled(discovery: Switch, disk: Disk) -> object:
    """The first snapshot that is not Pending, of a hub that keeps on `disk`."""
    async with Hub(discovery, overrides=Overrides(environ={}), disk=disk) as hub, asyncio.timeout(30):
        async for snapshot in hub.watch("greeter").latest:
            if not isinstance(snapshot, Pending):
                return snapshot
    raise AssertionError("the watch ended")


@pytest.mark.parametrize("trouble", [RegistryUnavailable("refused"), None], ids=["refuses", "hangs"])
async def test_a_client_that_starts_while_the_registry_is_away_finds_its_services(
    disk: Disk, trouble: Exception | None
) -> None:
    assert await first_settled(Switch(GREETER), disk) == GREETER
    found = await first_settled(Switch(trouble), disk)
    assert isinstance(found, Stale) and found.instances == GREETER.instances


async def test_a_registry_that_answers_wins_over_the_disk_and_its_absence_is_kept(disk: Disk) -> None:
    disk.save(GREETER)
    assert await first_settled(Switch(Absent("greeter")), disk) == Absent("greeter")
    assert disk.load("greeter") is None


class TwoPlaces(Switch):
    """A discovery of several datacenters, in each of which there is somebody else."""

    def within(self, datacenters: tuple[str, ...]) -> Switch:
        return Switch(Known("greeter", (replace(GREETER.instances[0], id="-".join(datacenters)),)))


async def test_what_is_kept_is_kept_by_datacenter(disk: Disk) -> None:
    found = {}
    async with Hub(TwoPlaces(GREETER), overrides=Overrides(environ={}), disk=disk) as hub, asyncio.timeout(30):
        for place in ((), ("east",), ("east", "west")):
            async for snapshot in hub.watch("greeter", place).latest:
                if isinstance(snapshot, Known):
                    found[place] = snapshot.instances
                    break
    for place, instances in found.items():
        kept = disk.load("greeter", ",".join(place))
        assert kept is not None and kept.instances == instances
    assert len(set(found.values())) == 3
