"""An instance in a process of its own: `instance.py LABEL REGISTRY` prints its port and id once it is registered.

One whose label begins with "flaky" fails 30 of 100 calls.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2] / "examples" / "greeter"))

import grpc
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server

import muster


class Say(SayServicer):
    def __init__(self, label: str) -> None:
        self.label = label
        self.number = itertools.count()

    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        if self.label.startswith("flaky") and next(self.number) * 3 % 10 < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "one of those moments")
        return HelloReply(served_by=self.label)


label, registry = sys.argv[1:]
service = muster.Service("greeter", registry=registry, timing=muster.Timing(beat=0.5, stop=5.0))
service.add(add_SayServicer_to_server, Say(label))


@service.after_start
async def tell() -> None:
    print(service.port, service.id, flush=True)


if __name__ == "__main__":
    service.run()
