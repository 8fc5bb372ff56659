"""The agent's log as a stream: what is in it, what is dropped, and that nobody else hears more than before."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from muster.agent import Agent
from muster.agent.monitor import LEVELS, Monitors

pytestmark = pytest.mark.anyio

LOG = logging.getLogger("muster.agent.tested")


async def test_lines_are_as_consul_writes_them() -> None:
    with Monitors().open(LEVELS["DEBUG"], as_json=False) as monitor:
        LOG.debug("a %s", "b")
        LOG.warning("ä")
        try:
            raise ValueError("oops")
        except ValueError:
            LOG.exception("failed")
        await asyncio.sleep(0)
        first, second, third = (await monitor.next()).decode().split("\n", 2)
    assert first.endswith(" [DEBUG] agent.tested: a b") and first[10] == "T" and first[23] == "Z"
    assert second.endswith(" [WARN]  agent.tested: ä")
    assert " [ERROR] agent.tested: failed\nTraceback" in third and third.endswith("ValueError: oops\n")


async def test_each_has_its_level() -> None:
    monitors = Monitors()
    with monitors.open(LEVELS["DEBUG"], as_json=True) as low, monitors.open(LEVELS["ERR"], as_json=True) as high:
        LOG.debug("quiet")
        LOG.error("loud")
        await asyncio.sleep(0)
        lines = [json.loads(line) for line in (await low.next()).splitlines()]
        assert [line["@message"] for line in lines] == ["quiet", "loud"]
        assert [json.loads(await high.next())["@level"]] == ["error"]


async def test_others_hear_what_they_heard_before(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("muster.agent")
    before = (logger.level, logger.propagate, list(logger.handlers))
    caplog.set_level(logging.WARNING)
    with Monitors().open(LEVELS["TRACE"], as_json=False):
        LOG.debug("quiet")
        LOG.warning("loud")
    assert [record.message for record in caplog.records] == ["loud"]
    assert (logger.level, logger.propagate, logger.handlers) == before


async def test_a_client_that_does_not_read_loses_lines_and_is_told() -> None:
    with Monitors().open(LEVELS["INFO"], as_json=False) as monitor:
        for number in range(1000):
            LOG.info("line %d", number)
        await asyncio.sleep(0)
        lines = (await monitor.next()).splitlines()
        assert len(lines) == 513
        assert lines[-1].endswith(b"[WARN]  agent: Dropped logs during monitor request: dropped_count=488")
        LOG.info("later")
        await asyncio.sleep(0)
        assert (await monitor.next()).endswith(b"later\n")


async def test_a_stream_ends_with_its_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.agent.agent._GRACE", 600.0)
    async with asyncio.timeout(30):
        async with Agent(http="127.0.0.1:0") as agent:
            host, _, port = agent.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /v1/agent/monitor HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()


async def test_a_stream_ends_with_its_client() -> None:
    logger = logging.getLogger("muster.agent")
    before = list(logger.handlers)
    async with Agent(http="127.0.0.1:0") as agent, asyncio.timeout(30):
        host, _, port = agent.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/agent/monitor HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert logger.handlers != before
        writer.close()
        while logger.handlers != before:
            await asyncio.sleep(0.005)
