"""`muster call NAME METHOD JSON`"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, NoReturn

import typer

from muster.cli.misuse import Misuse
from muster.cli.options import AsJSON, RegistryURL, ServiceName
from muster.cli.output import print_json
from muster.cli.running import run
from muster.model.events import ignore


def call(
    name: ServiceName,
    method: Annotated[
        str,
        typer.Argument(metavar="METHOD", help="Say.Hello, or a whole path: /greeter.Say/Hello.", show_default=False),
    ],
    request: Annotated[str, typer.Argument(metavar="JSON", help="The request; - reads standard input.")] = "{}",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the reply.", min=0.001)] = 10,
    registry: RegistryURL = None,
    as_json: AsJSON = False,
) -> None:
    """Call a method of a service and print its reply, which is JSON always; --json puts it on one line.

    Example: **muster call greeter Say.Hello '{"name": "world"}'**
    """
    payload = parse(sys.stdin.read() if request == "-" else request)
    reply = run(_call(name, method, payload, timeout, registry))
    print_json(reply, indent=None if as_json else 2)


async def _call(name: str, method: str, payload: Any, timeout: float, registry: str | None) -> Any:
    from muster import Client

    async with Client(registry, observe=ignore) as client:
        return await client.call(name, method, payload, timeout=timeout)


def parse(text: str) -> Any:
    """The request. Raises Misuse that says where the text stops being JSON."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Misuse(f"the request is no JSON: {error.msg} at {where}: {_excerpt(text, error.pos)}") from None
    except RecursionError:
        raise Misuse("the request is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise Misuse(f"the request is no JSON: {constant} is no number there; write it as a string")


def _excerpt(text: str, position: int, around: int = 20) -> str:
    """The text around a position, which is marked."""
    before = text[max(0, position - around) : position]
    return f"{before}⟨here⟩{text[position : position + around]}"
