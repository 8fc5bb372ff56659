"""A fixed list of instances: `static://?greeter=127.0.0.1:9000,127.0.0.1:9001&orders=[::1]:7000`.

For tests, for local work, and for the few services whose addresses never change. It can only be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import Self

from muster.model.errors import BadConfiguration, Rejected
from muster.model.instance import Instance, join_host_port, split_host_port
from muster.model.service import check_name
from muster.model.snapshot import Absent, Answer, Known
from muster.registry.url import split_url


class Static:
    """Discovery by a list. It answers once for each watch, since nothing ever changes, and then waits."""

    def __init__(self, services: Mapping[str, Iterable[Instance]]) -> None:
        self._services = {name: tuple(instances) for name, instances in services.items()}

    def __str__(self) -> str:
        services = "&".join(f"{name}={_addresses(instances)}" for name, instances in self._services.items())
        return f"static://?{services}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        instances = self._services.get(name)
        yield Known(name, instances) if instances else Absent(name)
        await _forever()

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        yield {
            name: frozenset(tag for instance in instances for tag in instance.tags)
            for name, instances in self._services.items()
            if instances
        }
        await _forever()


def from_url(url: str, environ: Mapping[str, str]) -> Static:
    """The registry of a `static://` URL. Raises BadConfiguration, which names the service and the address at fault."""
    parts = split_url(url)
    if parts.authority or parts.path:
        raise BadConfiguration(f"{url!r}: static:// takes services, not hosts: static://?greeter=127.0.0.1:9000")
    services: dict[str, tuple[Instance, ...]] = {}
    for name, addresses in parts.query:
        if name in services:
            raise BadConfiguration(f"{url!r}: service {name!r} is there twice; separate its addresses by commas")
        services[name] = _instances(name, addresses, url)
    if not services:
        raise BadConfiguration(f"{url!r} names no service: static://?greeter=127.0.0.1:9000")
    return Static(services)


def _instances(name: str, addresses: str, url: str) -> tuple[Instance, ...]:
    try:
        check_name(name)
    except Rejected as error:
        raise BadConfiguration(f"{url!r}: {error}") from None
    found = [_instance(name, address.strip(), url) for address in addresses.split(",")]
    return tuple({instance.id: instance for instance in found}.values())


def _instance(name: str, address: str, url: str) -> Instance:
    try:
        host, port = split_host_port(address)
    except ValueError as error:
        raise BadConfiguration(f"{url!r}: service {name!r}: {error}") from None
    if not host or not port:
        raise BadConfiguration(f"{url!r}: service {name!r}: {address!r} needs a host and a port above 0")
    return Instance(id=f"{name}@{join_host_port(host, port)}", service=name, host=host, port=port)


def _addresses(instances: Iterable[Instance]) -> str:
    return ",".join(instance.address for instance in instances)


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
