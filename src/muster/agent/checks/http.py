"""One look at a URL: 2xx is passing, 429 warning, all else critical.

Redirections are followed, on the check's one timeout for all. Proxies from the environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.exchange import Broken, Exchange, Response
from muster.agent.checks.redirect import MOST_REQUESTS, NoLocation, location_of, redirected
from muster.agent.checks.request import BadRequest, Request, first_request, written
from muster.agent.checks.state import Result
from muster.agent.checks.target import dial_error, timeout_of
from muster.agent.checks.tls import client_context, tls_error
from muster.agent.checks.url import BadURL, parse_url, shown
from muster.model.check import Health

_LATE = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


async def look(definition: CheckDefinition) -> Result:
    """One request, and those that it is redirected to. Never raises but for cancellation: failure is a result."""
    try:
        request = first_request(definition.method, parse_url(definition.target), definition.headers, definition.body)
    except BadURL as error:
        return _failed(definition.method, definition.target, error) if error.parsed else _critical(str(error))
    except BadRequest as error:
        return _critical(str(error)) if error.method else _failed(definition.method, definition.target, error)
    deadline = asyncio.get_running_loop().time() + timeout_of(definition)
    return await _followed(definition, request, deadline)


async def _followed(definition: CheckDefinition, request: Request, deadline: float) -> Result:
    location: str | None = None
    for _ in range(MOST_REQUESTS):
        try:
            response = await _answer(definition, request, deadline)
            location = location_of(response) if definition.follow_redirects else None
        except TimeoutError:
            return _failed(request.method, request.url.text, _LATE)
        except ssl.SSLError as error:
            return _failed(request.method, request.url.text, tls_error(error, _server_name(definition, request)))
        except (Broken, NoLocation) as error:
            return _failed(request.method, request.url.text, error)
        except (OSError, UnicodeError) as error:
            return _failed(request.method, request.url.text, dial_error(request.url.host, request.url.port, error))
        if location is None:
            return _judged(definition, response)
        try:
            request = redirected(request, response.status, location)
        except BadURL as error:
            return _failed(request.method, location, error)
    return _failed(request.method, str(location), f"stopped after {MOST_REQUESTS} redirects")


async def _answer(definition: CheckDefinition, request: Request, deadline: float) -> Response:
    """What is answered by the deadline. Raises TimeoutError, Broken, and what connecting raises."""
    loop = asyncio.get_running_loop()
    gzip = request.asks_for_gzip
    exchange = Exchange(written(request), definition.output_limit, bodiless=request.method == "HEAD", gzip=gzip)
    context = client_context(verify=not definition.tls_skip_verify) if request.url.tls else None
    name = _server_name(definition, request) if request.url.tls else None
    async with asyncio.timeout_at(deadline):
        transport, _ = await loop.create_connection(
            lambda: exchange, request.url.host, request.url.port, ssl=context, server_hostname=name
        )
    timer = loop.call_at(deadline, exchange.cut)
    try:
        return await exchange.response
    finally:
        timer.cancel()
        transport.abort()


def _server_name(definition: CheckDefinition, request: Request) -> str:
    return definition.tls_server_name or request.url.host


def _judged(definition: CheckDefinition, response: Response) -> Result:
    output = (
        f"HTTP {definition.method} {definition.target}: {response.status} {response.reason} Output: {response.body}"
    )
    if 200 <= response.status < 300:
        return Result(Health.PASSING, output)
    return Result(Health.WARNING if response.status == 429 else Health.CRITICAL, output)


def _failed(method: str, url: str, why: object) -> Result:
    return _critical(f'{method[:1].upper()}{method[1:].lower()} "{shown(url)}": {why}')


def _critical(output: str) -> Result:
    return Result(Health.CRITICAL, output)
