"""A service of its own process with a handler that blocks the event loop for as long as it is asked to."""

from __future__ import annotations

import sys
import time

import muster
from muster.serve.settings import Timing

service = muster.Service(
    sys.argv[1], protocols=["http"], timing=Timing(beat=0.5, reach=60.0, drain=0.0, stop=2.0, blocked=1.0)
)


@service.handler
class Stalling:
    async def stall(self, request: float) -> str:
        time.sleep(request)
        return "done"


@service.after_start
def tell() -> None:
    print(service.address, flush=True)


if __name__ == "__main__":
    service.run()
