"""Sync clients in programs that fork: os.fork, multiprocessing, gunicorn, Celery. Each is a real process."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FORKING = Path(__file__).with_name("forking.py")

SCENARIOS = (
    "before_the_first_call",
    "as_the_first_call_is_made",
    "after_calls",
    "generations",
    "a_child_that_closes",
    "while_threads_call",
    "with_multiprocessing",
    "news_after_children",
)


@pytest.mark.timeout(240)
def test_forks(fleet) -> None:
    """One fleet for all of them: what takes time is starting it."""
    with ThreadPoolExecutor(2) as threads:
        ends = dict(zip(SCENARIOS, threads.map(lambda name: fleet.attempt(str(FORKING), name), SCENARIOS), strict=True))
    assert ends == dict.fromkeys(SCENARIOS, (0, "ok\n"))


def test_where_forks_cannot_work_it_is_said(fleet) -> None:
    assert fleet.run(str(FORKING), "switched_off", GRPC_ENABLE_FORK_SUPPORT="0").endswith("ok\n")


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def spread(url: str, workers: int) -> set[int]:
    """Calls until so many workers have answered; every answer has to be right."""
    seen: set[int] = set()
    end = time.monotonic() + 20
    with ThreadPoolExecutor(4) as threads:
        while len(seen) < workers:
            assert time.monotonic() < end, seen
            for answer in threads.map(get, [f"{url}/hello/x"] * 8):
                assert answer["message"] == "Hello, x!"
                seen.add(answer["worker"])
    return seen


@pytest.mark.timeout(120)
@pytest.mark.parametrize("options", [[], ["--preload"], ["--threads", "4"]], ids=["workers", "preload", "threads"])
def test_gunicorn(fleet, options: list[str]) -> None:
    command = ["-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--graceful-timeout", "2", *options]
    server = fleet.start(*command, "app:app", cwd=EXAMPLES / "flask")
    url = server.until(r"http://127\.0\.0\.1:\d+")[0]
    workers = spread(url, 2)
    assert len(get(f"{url}/greeters")) == 2
    os.kill(workers.pop(), signal.SIGKILL)  # gunicorn forks another, whatever its threads are doing
    server.until("was sent SIGKILL")
    server.until(r"(?s)SIGKILL.*Booting worker")
    assert spread(url, 2) - workers
    server.popen.terminate()
    assert server.popen.wait(10) == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.timeout(120)
def test_celery_with_children_that_are_replaced(fleet, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    broker = {
        "CELERY_BROKER_URL": "filesystem://",
        "CELERY_RESULT_BACKEND": f"file://{tmp_path / 'results'}",
        "PYTHONPATH": f"{EXAMPLES / 'greeter'}:{EXAMPLES / 'celery'}",
        "QUEUE": str(tmp_path),
    }
    script = Path(__file__).with_name("celery_tasks.py")
    options = ["worker", "--concurrency", "2", "--max-tasks-per-child", "3", "--loglevel", "INFO"]
    worker = fleet.start(str(script), *options, **broker)
    worker.until("ready")
    answers = json.loads(fleet.run(str(script), "ask", "20", **broker))
    assert [answer["message"] for answer in answers] == [f"Hello, {number}!" for number in range(20)]
    assert len({answer["worker"] for answer in answers}) >= 6, "each child does three tasks and ends"
    assert "Traceback" not in worker.log.read_text()
