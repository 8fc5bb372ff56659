"""Every example in README.md and docs/ runs, in the order of its page, as a reader would type it.

A page is run in a new directory that holds the generated code of examples/greeter. Fenced blocks, by language:

    python                 runs; `await` and `async with` may stand at the top level
    python title="x.py"    is written to the file x.py (so are proto, toml and yaml)
    sh                     runs with bash; every command must succeed
    sh stays until="text"  starts and stays; goes on when it has printed the text
    json                   what the block before it printed, compared as JSON
    text, mermaid          for reading

The registry and the gateway get ports of their own: 8500 and 8080 are replaced, in the page and by the environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>[a-z]+)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FOR_READING = {"text", "mermaid"}
FILES = {"proto", "python", "toml", "yaml"}
SECONDS = 60.0

CURL = f"""#!{sys.executable}
import argparse, sys, urllib.error, urllib.request
parser = argparse.ArgumentParser(prog="curl")
parser.add_argument("--fail", "-f", action="store_true")
parser.add_argument("--silent", "-s", action="store_true")
parser.add_argument("--request", "-X")
parser.add_argument("--header", "-H", action="append", default=[])
parser.add_argument("--data", "-d")
parser.add_argument("url")
given = parser.parse_args()
headers = dict(header.split(": ", 1) for header in given.header)
data = given.data.encode() if given.data is not None else None
try:
    answer = urllib.request.urlopen(urllib.request.Request(given.url, data, headers, method=given.request))
except urllib.error.HTTPError as error:
    if given.fail:
        sys.exit(22)
    answer = error
sys.stdout.buffer.write(answer.read())
"""
"""Stands in for curl where there is none: a machine with Python, git and make has to do."""

RUN_SNIPPET = """
import ast, asyncio, sys
code = compile(sys.stdin.read(), sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
running = eval(code, {"__name__": "__example__"})
if running is not None:
    asyncio.run(running)
"""


@dataclass(frozen=True)
class Block:
    where: str
    language: str
    text: str
    title: str = ""
    stays: bool = False
    until: str = ""


def blocks(page: Path) -> Iterator[Block]:
    content = page.read_text()
    for found in FENCE.finditer(content):
        info = found["info"]
        yield Block(
            where=f"{page.name}:{content.count(chr(10), 0, found.start()) + 1}",
            language=found["language"],
            text=found["text"],
            title=_option(info, "title"),
            stays=" stays" in info,
            until=_option(info, "until"),
        )


def _option(info: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', info)
    return found[1] if found else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Reader:
    """Does what a page says, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output = ""
        self._ports = {"8500": str(free_port()), "8080": str(free_port())}
        self._staying = ExitStack()
        self._environ = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(self._stand_ins())]),
            "PYTHONPATH": str(directory),
            "MUSTER_REGISTRY": f"consul://127.0.0.1:{self._ports['8500']}",
            "MUSTER_AGENT_HTTP": f"127.0.0.1:{self._ports['8500']}",
            "MUSTER_GATEWAY_HTTP": f"127.0.0.1:{self._ports['8080']}",
        }

    def _stand_ins(self) -> Path:
        """A folder for the end of the PATH."""
        folder = self.directory / "stand-ins"
        folder.mkdir(exist_ok=True)
        (folder / "curl").write_text(CURL)
        (folder / "curl").chmod(0o755)
        return folder

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._staying.close()

    def do(self, block: Block) -> None:
        text = self._with_own_ports(block.text)
        if block.language == "json":
            assert json.loads(self.output) == json.loads(text), block.where
        elif block.title:
            assert block.language in FILES, block.where
            (self.directory / block.title).write_text(text)
        elif block.stays:
            self._staying.enter_context(self._stays(block, text))
        else:
            self._run(block, text)

    def _with_own_ports(self, text: str) -> str:
        for usual, own in self._ports.items():
            text = re.sub(rf"(127\.0\.0\.1|localhost):{usual}\b", rf"\1:{own}", text)
        return text

    def _run(self, block: Block, text: str) -> None:
        if block.language == "python":
            command, given = [sys.executable, "-W", "error", "-c", RUN_SNIPPET, block.where], text
        else:
            assert block.language == "sh", f"{block.where}: nobody knows how to run {block.language!r}"
            command, given = ["bash", "-euo", "pipefail", "-c", text], None
        done = subprocess.run(
            command, input=given, cwd=self.directory, env=self._environ, capture_output=True, text=True, timeout=SECONDS
        )
        self.output = done.stdout
        assert done.returncode == 0, f"{block.where}: status {done.returncode}\n{done.stdout}\n{done.stderr}"

    @contextmanager
    def _stays(self, block: Block, text: str) -> Iterator[None]:
        log = self.directory / f"stays-{block.where.replace(':', '-')}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"exec {text.strip()}"],
                cwd=self.directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_for(block, process, log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            ended = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
            assert process.wait(SECONDS) in ended, f"{block.where}:\n{log.read_text()}"

    def _wait_for(self, block: Block, process: subprocess.Popen[bytes], log: Path) -> None:
        """A foreign process tells nothing but what it prints, so it is looked at again and again."""
        assert block.until, f"{block.where}: a block that stays says until when the next one waits"
        end = time.monotonic() + SECONDS
        while block.until not in log.read_text():
            assert process.poll() is None, f"{block.where}: ended with {process.returncode}\n{log.read_text()}"
            assert time.monotonic() < end, f"{block.where}: never printed {block.until!r}\n{log.read_text()}"
            time.sleep(0.02)


def do_page(page: Path, directory: Path) -> None:
    for generated in (REPOSITORY / "examples" / "greeter").glob("greeter*"):
        shutil.copy(generated, directory)
    with Reader(directory) as reader:
        for block in blocks(page):
            if block.language not in FOR_READING:
                reader.do(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_runs(page: Path, tmp_path: Path) -> None:
    do_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_names_its_language(page: Path) -> None:
    fences = re.findall(r"^ *```.*$", page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(page))), f"{page.name}: a fence has no language, is indented or open"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_an_example_that_fails_fails_the_test(tmp_path: Path) -> None:
    for number, wrong in enumerate(("```python\n1 / 0\n```\n", "```sh\nfalse | true\n```\n", "```ruby\n1\n```\n")):
        page = tmp_path / f"{number}.md"
        page.write_text(wrong)
        with pytest.raises(AssertionError, match=f"{number}.md:1"):
            do_page(page, tmp_path)


def test_output_is_compared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('```python\nprint(\'{"a": 1}\')\n```\n\n```json\n{"a": 2}\n```\n')
    with pytest.raises(AssertionError):
        do_page(page, tmp_path)
