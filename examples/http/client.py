"""Calls the service `web` with aiohttp's interface, and with httpx and requests: python client.py [NAME]"""

from __future__ import annotations

import asyncio
import sys

import httpx
import requests

import muster


async def with_aiohttp(name: str) -> None:
    async with muster.Client() as client, client.http.get("http://web/hello", params={"name": name}) as answer:
        print("aiohttp:", (await answer.json())["message"])


async def with_httpx(name: str) -> None:
    async with muster.Client() as client, httpx.AsyncClient(transport=client.httpx_transport()) as session:
        answer = await session.get("http://web/hello", params={"name": name})
        print("httpx:", answer.json()["message"])


def with_requests(name: str) -> None:
    with muster.sync.Client() as client, requests.Session() as session:
        session.mount("http://web/", client.requests_adapter())
        answer = session.get("http://web/hello", params={"name": name})
        print("requests:", answer.json()["message"])


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "world"
    asyncio.run(with_aiohttp(name))
    asyncio.run(with_httpx(name))
    with_requests(name)
