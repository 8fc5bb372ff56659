"""The agent that `muster run --dev` starts where none is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

from muster.cli.misuse import Misuse
from muster.cli.output import note
from muster.registry.consul.config import Address, configure
from muster.registry.url import resolve_url, split_url

CONNECT_SECONDS = 2.0
"""Whether somebody listens on this machine is known in a millisecond; a machine under load is given some more."""


@asynccontextmanager
async def agent_if_none(url: str | None, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """While the context lasts, an agent answers at the registry's address, if that is on this machine.

    One that answers there already is left alone. Raises Misuse for a registry that no agent can stand in for.
    """
    address = local_agent_address(url, environ)
    if address is None or await _somebody_listens(address):
        yield
        return
    from muster.agent import Agent

    async with Agent(http=str(address)) as agent:
        note(f"no agent answered at {address}: started one for development, which ends with this process")
        yield
        del agent


def local_agent_address(url: str | None, environ: Mapping[str, str]) -> Address | None:
    """Where the registry's agent is, None if that is not on this machine. Pure."""
    choice = resolve_url(url, environ)
    if split_url(choice.url).base_scheme != "consul":
        raise Misuse(f"--dev starts an agent like Consul's, but the registry is {choice.url} ({choice.source})")
    address = configure(choice.url, environ).addresses[0]
    return address if address.local and not address.socket else None


async def _somebody_listens(address: Address) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except ConnectionError:
        return False
    with closing(writer):
        return True
