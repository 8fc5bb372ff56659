"""A server of something else on a port that it is given: `stranger.py PORT` prints a line for each call it gets."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Anything(grpc.GenericRpcHandler):  # type: ignore[misc]
    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method.startswith("/grpc.health."):
            return None
        print("called", details.method, flush=True)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        return b""


async def main(port: str) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    server.add_generic_rpc_handlers((Anything(),))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == int(port)
    await server.start()
    print("listening", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
