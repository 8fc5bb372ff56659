"""The operations on keys in a transaction."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from muster.agent.api.answer import Refused
from muster.agent.api.kv import require_session, view
from muster.agent.api.operation import Failed
from muster.agent.kv.pairs import Pair
from muster.agent.state import State
from muster.agent.store.write import Write
from muster.registry.consul import wire


@dataclass(frozen=True, slots=True)
class KeyOperation:
    """One of them: what was asked, and the pair that it is about."""

    state: State
    asked: wire.KVOperation
    pair: Pair

    @property
    def reads_only(self) -> bool:
        return self.asked.verb not in _WRITES

    def prepare(self) -> None:
        if not self.pair.key and self.asked.verb != "delete-tree":
            raise Failed("Must provide key")
        if self.asked.verb == "lock" and self.state.pairs.is_delayed(self.pair.key, _now()):
            raise Failed(f'failed to lock key "{self.pair.key}" due to lock delay')

    def run(self, write: Write) -> list[dict[str, Any]]:
        verb = _VERBS.get(self.asked.verb)
        if verb is None:
            raise Failed(f'unknown KV verb "{self.asked.verb}"')
        return [{"KV": view(pair)} for pair in verb(self, write)]

    def set(self, write: Write) -> list[Pair]:
        self.state.pairs.set(write, self.pair.key, self.pair.value, self.pair.flags)
        return self._written()

    def set_if(self, write: Write) -> list[Pair]:
        pair = self.pair
        if not self.state.pairs.set_if(write, pair.key, pair.value, pair.flags, self.asked.index):
            raise Failed(f'failed to set key "{pair.key}", index is stale')
        return self._written()

    def lock(self, write: Write) -> list[Pair]:
        try:
            require_session(self.state, self.pair.session)
        except Refused as refused:
            raise Failed(str(refused)) from None
        if not self.state.pairs.lock(write, self.pair, _now()):
            raise Failed(f'failed to lock key "{self.pair.key}", lock is already held')
        return self._written()

    def unlock(self, write: Write) -> list[Pair]:
        if not self.state.pairs.unlock(write, self.pair):
            raise Failed(f'failed to unlock key "{self.pair.key}", lock isn\'t held, or is held by another session')
        return self._written()

    def get(self, write: Write) -> list[Pair]:
        return [self._existing("")]

    def get_below(self, write: Write) -> list[Pair]:
        return self.state.pairs.below(self.pair.key)

    def check_session(self, write: Write) -> list[Pair]:
        held = self._existing("failed to check session, ").session
        if held != self.pair.session:
            key, wanted = self.pair.key, self.pair.session
            raise Failed(f'failed session check for key "{key}", current session "{held}" != "{wanted}"')
        return self._written()

    def check_index(self, write: Write) -> list[Pair]:
        modified, wanted = self._existing("failed to check index, ").stamp.modified, self.asked.index
        if modified != wanted:
            key = self.pair.key
            raise Failed(f'failed index check for key "{key}", current modify index {modified} != {wanted}')
        return self._written()

    def check_absent(self, write: Write) -> list[Pair]:
        if self.state.pairs.get(self.pair.key) is not None:
            raise Failed(f'key "{self.pair.key}" exists')
        return []

    def delete(self, write: Write) -> list[Pair]:
        self.state.pairs.delete(write, self.pair.key)
        return []

    def delete_if(self, write: Write) -> list[Pair]:
        if not self.state.pairs.delete_if(write, self.pair.key, self.asked.index):
            raise Failed(f'failed to delete key "{self.pair.key}", index is stale')
        return []

    def delete_below(self, write: Write) -> list[Pair]:
        self.state.pairs.delete_below(write, self.pair.key)
        return []

    def _existing(self, failed: str) -> Pair:
        pair = self.state.pairs.get(self.pair.key)
        if pair is None:
            raise Failed(f'{failed}key "{self.pair.key}" doesn\'t exist')
        return pair

    def _written(self) -> list[Pair]:
        """The pair without its value, which who wrote it knows."""
        pair = self.state.pairs.get(self.pair.key)
        return [] if pair is None else [replace(pair, value=b"")]


_VERBS: Mapping[str, Callable[[KeyOperation, Write], list[Pair]]] = {
    "set": KeyOperation.set,
    "cas": KeyOperation.set_if,
    "lock": KeyOperation.lock,
    "unlock": KeyOperation.unlock,
    "get": KeyOperation.get,
    "get-tree": KeyOperation.get_below,
    "check-session": KeyOperation.check_session,
    "check-index": KeyOperation.check_index,
    "check-not-exists": KeyOperation.check_absent,
    "delete": KeyOperation.delete,
    "delete-cas": KeyOperation.delete_if,
    "delete-tree": KeyOperation.delete_below,
}
_WRITES = frozenset({"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"})


def key_operation(state: State, asked: wire.KVOperation) -> KeyOperation:
    """The operation that is asked for. Raises Refused for a value that is no base64, or too large."""
    try:
        value = base64.b64decode(asked.value or "", validate=True)
    except binascii.Error:
        fault = _fault(asked.value or "")
        raise Refused(400, f"Failed to parse body: illegal base64 data at input byte {fault}") from None
    largest = state.in_force.limits.kv_max_value_size
    if len(value) > largest:
        raise Refused(413, f'Value for key "{asked.key}" is too large ({len(value)} > {largest} bytes)')
    return KeyOperation(state, asked, Pair(asked.key, value, asked.flags, asked.session))


def _fault(text: str) -> int:
    """Where what is no base64 begins."""
    good = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return next((at for at, character in enumerate(text) if character not in good), len(text))


def _now() -> float:
    return asyncio.get_running_loop().time()
