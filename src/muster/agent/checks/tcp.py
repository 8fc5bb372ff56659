"""One look at a TCP port: it is well if it takes a connection."""

from __future__ import annotations

import asyncio

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.state import Result
from muster.agent.checks.target import dial_error, split_target, timeout_of
from muster.model.check import Health


async def look(definition: CheckDefinition) -> Result:
    """Connect to the target and close. Never raises but for cancellation: failure is a result."""
    host, port, problem = split_target(definition.target)
    if problem:
        return Result(Health.CRITICAL, problem)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_of(definition)):
            transport, _ = await loop.create_connection(asyncio.Protocol, host, port)
    except (OSError, UnicodeError) as error:
        return Result(Health.CRITICAL, dial_error(host, port, error))
    transport.abort()
    return Result(Health.PASSING, f"TCP connect {definition.target}: Success")
