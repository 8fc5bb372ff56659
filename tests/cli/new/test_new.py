"""Each kind of project: its own tests pass, what its container would run serves, and its files are in order."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from tests.cli.conftest import SECONDS, Command

import muster as muster_package
from muster.cli.new.naming import package_of
from muster.cli.new.project import FASTAPI, GRPC, TYPED, Kind, project
from muster.cli.new.writing import write
from muster.testing import RunningAgent

KINDS = [TYPED, GRPC, FASTAPI]
NAME = "order-history"
HELLO = {"message": "Hello world"}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest, muster: Command) -> Path:
    """A project of each kind."""
    done = muster("new", NAME, f"--{request.param.name}")
    assert (done.status, done.err) == (0, "")
    assert f"cd {NAME}" in done.out
    return muster.directory / NAME


@contextmanager
def succeeding(module: str, *arguments: str, cwd: Path, environ: dict[str, str], end: bool = False) -> Iterator[None]:
    """A program that runs meanwhile, or stays until its `end`, and must have succeeded then."""
    command = [sys.executable, "-m", module, *arguments]
    log = cwd / f"{module}.log"
    with log.open("w") as out, subprocess.Popen(command, cwd=cwd, env=environ, stdout=out, stderr=out) as process:
        try:
            yield
            if end:
                process.terminate()
            # uvicorn ends by the signal that stopped it, which Docker takes as well.
            assert process.wait(SECONDS) in ((0, -signal.SIGTERM) if end else (0,)), log.read_text()
        finally:
            process.kill()


def contained(directory: Path) -> tuple[list[str], dict[str, str]]:
    """What the Dockerfile runs, and with which environment."""
    text = (directory / "Dockerfile").read_text()
    entry = re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    variables = re.search(r"^ENV (.*)$", text, re.MULTILINE)
    assert entry and variables
    return json.loads(entry[1]), dict(pair.split("=") for pair in variables[1].split())


async def called(registry: str, kind: str) -> Any:
    """What a greeting is answered with, once somebody is registered who can."""
    async with muster_package.Client(registry) as client, asyncio.timeout(SECONDS):
        async for snapshot in client.watch(NAME):
            if isinstance(snapshot, muster_package.Known) and snapshot.instances:
                break
        if kind == "uvicorn":
            async with client.http.get(f"http://{NAME}/say/hello?name=world") as answer:
                return await answer.json()
        return await client.call(NAME, "Say.Hello", {"name": "world"})


@pytest.mark.anyio
async def test_its_tests_pass_and_its_container_serves(
    muster: Command, made: Path, muster_agent: RunningAgent, free_address: str
) -> None:
    """What the container would run runs as it does there, but for the port."""
    (program, *arguments), variables = contained(made)
    assert sorted(variables.values()) == ["0.0.0.0", "8000"]
    port = free_address.rpartition(":")[2]
    environ = muster.environ | {name: value.replace("8000", port) for name, value in variables.items()}
    environ["MUSTER_REGISTRY"] = muster_agent.url
    with (
        succeeding("pytest", "-q", cwd=made, environ=muster.environ),
        succeeding(program, *arguments, cwd=made, environ=environ, end=True),
    ):
        assert await called(muster_agent.url, program) == HELLO


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_its_files_are_in_order(kind: Kind) -> None:
    files = project(NAME, kind)
    described = tomllib.loads(files["pyproject.toml"])["project"]
    assert described["name"] == NAME
    needed = [Requirement(each) for each in described["dependencies"] + described["optional-dependencies"]["test"]]
    assert {"anyio", "muster-discovery", "pytest"} <= {each.name for each in needed}
    composed = yaml.safe_load(files["compose.yaml"])["services"]
    assert composed[NAME]["environment"] == {"MUSTER_REGISTRY": "consul://consul:8500"}
    assert {".gitignore", ".dockerignore", "README.md", "tests/test_service.py"} <= files.keys()
    for path, text in files.items():
        assert not re.search(r"(?<![a-z_])_[a-z]+(_[a-z]+)*_(?![a-z_])", path + text), path


def test_a_name_may_look_like_a_placeholder() -> None:
    files = project("a_module_b", TYPED)
    assert 'client.service(Say, "a_module_b")' in files["tests/test_service.py"]
    assert '"a_module_b.service:service"' in files["Dockerfile"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_can_be_installed(kind: Kind, tmp_path: Path) -> None:
    write(tmp_path, project(NAME, kind))
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.startswith("order_history-0.1.0-")
    with ZipFile(wheel) as packed:
        assert {f"order_history/{name}.py" for name in ("__init__", "service")} <= set(packed.namelist())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_linters_find_nothing(kind: Kind, tmp_path: Path) -> None:
    write(tmp_path, project(NAME, kind))
    ours = f"--config=lint.isort.known-first-party=['{package_of(NAME)}']"  # the generated code is not there
    for command in (["check", "--select=B,E,F,I,UP,W"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, ours, "--isolated", "--no-cache", "."]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
