"""The schemas that this client has read, so that a server is asked once for each version."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

import grpc.aio

from muster.grpc.offer import Joined, Offer, Typed, described
from muster.grpc.reflect import Description, Metadata, describe
from muster.grpc.schema import Schema
from muster.model.errors import Fault
from muster.model.instance import Instance
from muster.rpc.description import METADATA

CAPACITY = 1024
"""Versions that are remembered. The schema of equal ones is held once."""

READ_SECONDS = 5.0
"""For one reading: it takes milliseconds, and what calls wait for it."""

NO_REFLECTION_SECONDS = 1.0
"""How long a server's lack of reflection is remembered: calls that wait together ask it once."""

Key = tuple[str, str, str, str]


class Schemas:
    """Schemas by service, version and digest of endpoints. One reading at a time for each; for one event loop.

    An instance without a version is only like itself: it is asked again after each start, since its id is new then.
    """

    def __init__(self, *, capacity: int = CAPACITY, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._schemas: WeakValueDictionary[bytes, Offer] = WeakValueDictionary()
        self._capacity = capacity
        self._clock = clock

    async def of(
        self,
        instance: Instance,
        channel: grpc.aio.Channel,
        *,
        metadata: Metadata = (),
        max_age: float | None = None,
    ) -> Offer:
        """The schema of `instance`, which `channel` leads to; read now unless it is known, and not older than `max_age`
        seconds. Equal schemas are the same object. Raises Fault as `reflect.describe` does."""
        entry = self._entry(_key(instance))
        async with entry.reading:
            age = self._clock() - entry.read_at
            if entry.refusal is not None and age < NO_REFLECTION_SECONDS:
                raise Fault(entry.refusal.code, entry.refusal.detail)
            if entry.schema is None or (max_age is not None and age > max_age):
                await self._read(entry, instance, channel, metadata)
            assert entry.schema is not None
            return entry.schema

    def _entry(self, key: Key) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return entry

    async def _read(self, entry: _Entry, instance: Instance, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        typed = METADATA in instance.metadata
        try:
            description = await describe(channel, timeout=READ_SECONDS, metadata=metadata)
            document = await described(channel, timeout=READ_SECONDS, metadata=metadata) if typed else b""
            entry.schema = self._schema(description, document)
            entry.refusal = None
        except Fault as fault:
            # Other codes may be about who asked or about this moment: they say nothing about the next call.
            entry.refusal = fault if fault.code == "UNIMPLEMENTED" else None
            raise
        finally:
            entry.read_at = self._clock()

    def _schema(self, description: Description, document: bytes) -> Offer:
        digest = _digest(description, document)
        schema = self._schemas.get(digest)
        if schema is None:
            schema = Joined(Schema(description), Typed(document)) if document else Schema(description)
            self._schemas[digest] = schema
        return schema


class _Entry:
    def __init__(self) -> None:
        self.reading = asyncio.Lock()
        self.schema: Offer | None = None
        self.refusal: Fault | None = None
        self.read_at = 0.0


def _key(instance: Instance) -> Key:
    return instance.service, instance.version, instance.endpoints, "" if instance.version else instance.id


def _digest(description: Description, document: bytes) -> bytes:
    content = hashlib.sha256(repr(description.services).encode())
    content.update(hashlib.sha256(document).digest())
    for name in sorted(description.files):
        content.update(hashlib.sha256(description.files[name].SerializeToString(deterministic=True)).digest())
    return content.digest()
