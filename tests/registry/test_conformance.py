"""Every rule of the conformance suite on every registry that can be written."""

from __future__ import annotations

import pytest

from muster.agent import Agent
from muster.registry.consul import from_url
from muster.registry.memory import Memory
from muster.registry.protocol import Discovery, Registrar
from muster.testing.conformance import RULES, Rule

pytestmark = pytest.mark.anyio
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@every_rule
async def test_memory(rule: Rule) -> None:
    await rule(lambda: Memory("conformance"))


@every_rule
async def test_consul(rule: Rule, consul_server: str) -> None:
    await rule(lambda: from_url(consul_server, {}))


@every_rule
async def test_consul_on_the_embedded_agent(rule: Rule, agent: Agent) -> None:
    await rule(lambda: from_url(agent.url, {}))


@pytest.mark.parametrize("registry", [Memory("conformance"), from_url("consul://", {})], ids=str)
def test_both_protocols(registry: object) -> None:
    assert isinstance(registry, Registrar)
    assert isinstance(registry, Discovery)
