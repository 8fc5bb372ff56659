"""From a request to the call of an endpoint, and from its answer to a response."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from muster.app.by_name import ByName
from muster.gateway.exchange import Headers, Request, Response
from muster.gateway.metadata import headers_of, metadata_of, timeout_of
from muster.gateway.names import Names
from muster.gateway.problem import Problem, discreet, problem_of
from muster.gateway.routes import Route, paths_of, resolve, route
from muster.gateway.transcode import from_body, from_query
from muster.grpc.calls import Wanted, off_loop
from muster.model.errors import MusterError, NoInstances

log = logging.getLogger("muster.gateway")

HEALTH = "/-/health"
"""Whether the gateway is ready; no service can have this name."""


class Client(Protocol):
    """What is needed of muster.Client, which has to be open."""

    @property
    def calls(self) -> ByName: ...

    def overridden(self, name: str) -> bool: ...

    async def names(self) -> Mapping[str, frozenset[str]]: ...


class Forwarder:
    """Answers requests whose bodies have arrived. `timeout`: seconds that a call may take at most.

    `frank`: who asks may read why nobody can be called, addresses and all; else only the log says so.
    """

    def __init__(self, client: Client, names: Names, timeout: float, *, frank: bool = True) -> None:
        self._client = client
        self._names = names
        self._timeout = timeout
        self._frank = frank

    async def answer(self, request: Request) -> Response:
        """The response to a GET or POST. Never raises but for cancellation: a failure is a problem too."""
        try:
            return await self._answer(request)
        except MusterError as error:
            log.debug("%s %s: %s", request.method, request.path, error)
            return problem_of(error if self._frank else discreet(error)).response(request.path)
        except Exception:
            log.exception("%s %s failed in the gateway itself", request.method, request.path)
            return Problem(500, "INTERNAL", "the gateway failed; its log says why").response(request.path)

    async def _answer(self, request: Request) -> Response:
        if request.path == "/":
            return _json({"services": {name: f"/{quote(name, safe='')}" for name in await self._names.listed()}})
        if request.path == HEALTH:
            await self._names.ready()
            return _json({"status": "ready"})
        wanted = route(request.path)
        if not await self._names.may_be(wanted.service):
            raise NoInstances(wanted.service, "the registry does not list that name")
        return await (self._call(wanted, request) if wanted.method else self._list(wanted, request))

    async def _list(self, wanted: Route, request: Request) -> Response:
        endpoints = await self._client.calls.endpoints(wanted.service, metadata=metadata_of(request.headers))
        return _json({"service": wanted.service, "endpoints": paths_of(wanted.service, endpoints)})

    async def _call(self, wanted: Route, request: Request) -> Response:
        reply = await self._client.calls.perform(
            wanted.service,
            await _call_for(wanted, request),
            timeout=timeout_of(request, self._timeout),
            metadata=metadata_of(request.headers),
        )
        return _json(reply.value, headers_of(reply.metadata))


async def _call_for(wanted: Route, request: Request) -> Wanted:
    find = partial(resolve, wanted=wanted)
    if request.method != "POST":
        return Wanted(find, partial(from_query, request.query))
    value = await off_loop(len(request.body), partial(from_body, request.body))
    return Wanted(find, lambda _: value, len(request.body))


def _json(value: Any, headers: Headers = ()) -> Response:
    return Response(200, ((b"content-type", b"application/json"), *headers), msgspec.json.encode(value))
