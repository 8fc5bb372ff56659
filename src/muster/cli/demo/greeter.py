"""The greeter's own program: `python -m muster.cli.demo.greeter NAME GREETING`.

Once it is registered it prints one line, a JSON object with its `id` and `address`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from muster import Service
from muster.cli.demo.contract import HelloReply, add_SayServicer_to_server
from muster.cli.demo.tether import tether
from muster.registry.url import open_registry
from muster.serve.advertise import place_of


class Say:
    """Greets, and says which instance did."""

    def __init__(self, service: Service, greeting: str) -> None:
        self._service = service
        self._greeting = greeting

    async def Hello(self, request: Any, context: Any) -> Any:  # noqa: N802
        return HelloReply(message=f"{self._greeting} {request.name}", instance=self._service.id)


def host_for(registry: str) -> str:
    """Where to listen: on loopback, unless the registry is on another machine, whose readers could not come there."""
    return "127.0.0.1" if place_of(registry).local else "0.0.0.0"


def main(name: str, greeting: str) -> None:
    tether()
    service = Service(name, version="1.0.0", host=host_for(str(open_registry())))
    service.add(add_SayServicer_to_server, Say(service, greeting))

    @service.after_start
    def announce() -> None:
        print(json.dumps({"id": service.id, "address": service.address}), flush=True)  # noqa: T201

    service.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
