"""/v1/txn: several operations on keys, all of them or none.

Operations on nodes, instances and checks are refused: see docs/compatibility.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from muster.agent.api.answer import JSON, Answer, Refused, encode, text_answer
from muster.agent.api.body import TRANSACTION, decode_list
from muster.agent.api.kv import locked, view
from muster.agent.api.reading import KNOWN_LEADER, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.kv.pairs import Pair
from muster.agent.state import State
from muster.agent.store.write import Write
from muster.registry.consul import wire

_MOST_OPERATIONS = 64


class _Failed(Exception):
    """An operation that cannot be done; the text is Consul's."""


class _Transaction:
    """The operations on one write. Each returns the pairs that it shows."""

    def __init__(self, state: State, write: Write) -> None:
        self.state = state
        self.pairs = state.pairs
        self.write = write

    def set(self, asked: Pair, index: int) -> list[Pair]:
        self.pairs.set(self.write, asked.key, asked.value, asked.flags)
        return self._written(asked.key)

    def set_if(self, asked: Pair, index: int) -> list[Pair]:
        if not self.pairs.set_if(self.write, asked.key, asked.value, asked.flags, index):
            raise _Failed(f'failed to set key "{asked.key}", index is stale')
        return self._written(asked.key)

    def lock(self, asked: Pair, index: int) -> list[Pair]:
        try:
            done = locked(self.state, self.write, asked)
        except Refused as refused:
            raise _Failed(str(refused)) from None
        if not done:
            raise _Failed(f'failed to lock key "{asked.key}", lock is already held')
        return self._written(asked.key)

    def unlock(self, asked: Pair, index: int) -> list[Pair]:
        if not self.pairs.unlock(self.write, asked):
            raise _Failed(f'failed to unlock key "{asked.key}", lock isn\'t held, or is held by another session')
        return self._written(asked.key)

    def get(self, asked: Pair, index: int) -> list[Pair]:
        return [self._existing(asked.key, f'key "{asked.key}" doesn\'t exist')]

    def get_below(self, asked: Pair, index: int) -> list[Pair]:
        return self.pairs.below(asked.key)

    def check_session(self, asked: Pair, index: int) -> list[Pair]:
        pair = self._existing(asked.key, f'failed to check session, key "{asked.key}" doesn\'t exist')
        if pair.session != asked.session:
            raise _Failed(
                f'failed session check for key "{asked.key}", current session "{pair.session}" != "{asked.session}"'
            )
        return self._written(asked.key)

    def check_index(self, asked: Pair, index: int) -> list[Pair]:
        pair = self._existing(asked.key, f'failed to check index, key "{asked.key}" doesn\'t exist')
        if pair.stamp.modified != index:
            raise _Failed(
                f'failed index check for key "{asked.key}", current modify index {pair.stamp.modified} != {index}'
            )
        return self._written(asked.key)

    def check_absent(self, asked: Pair, index: int) -> list[Pair]:
        if self.pairs.get(asked.key) is not None:
            raise _Failed(f'key "{asked.key}" exists')
        return []

    def delete(self, asked: Pair, index: int) -> list[Pair]:
        self.pairs.delete(self.write, asked.key)
        return []

    def delete_if(self, asked: Pair, index: int) -> list[Pair]:
        if not self.pairs.delete_if(self.write, asked.key, index):
            raise _Failed(f'failed to delete key "{asked.key}", index is stale')
        return []

    def delete_below(self, asked: Pair, index: int) -> list[Pair]:
        self.pairs.delete_below(self.write, asked.key)
        return []

    def _existing(self, key: str, otherwise: str) -> Pair:
        pair = self.pairs.get(key)
        if pair is None:
            raise _Failed(otherwise)
        return pair

    def _written(self, key: str) -> list[Pair]:
        """The pair without its value, which who wrote it knows."""
        pair = self.pairs.get(key)
        return [] if pair is None else [replace(pair, value=b"")]


_Operation = Callable[[_Transaction, Pair, int], list[Pair]]

_OPERATIONS: Mapping[str, _Operation] = {
    "set": _Transaction.set,
    "cas": _Transaction.set_if,
    "lock": _Transaction.lock,
    "unlock": _Transaction.unlock,
    "get": _Transaction.get,
    "get-tree": _Transaction.get_below,
    "check-session": _Transaction.check_session,
    "check-index": _Transaction.check_index,
    "check-not-exists": _Transaction.check_absent,
    "delete": _Transaction.delete,
    "delete-cas": _Transaction.delete_if,
    "delete-tree": _Transaction.delete_below,
}
_WRITES = frozenset({"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"})


def transact(state: State, request: Request) -> Answer:
    """Do all the operations, or none and say of each why not."""
    require_datacenter(state, request.params)
    asked = decode_list(request.body, wire.TransactionOperation, "api.TxnOps", TRANSACTION)
    if len(asked) > _MOST_OPERATIONS:
        return text_answer(413, f"Transaction contains too many operations ({len(asked)} > {_MOST_OPERATIONS})")
    largest = state.in_force.limits.kv_max_value_size
    operations = [(operation.kv, _pair(operation.kv, largest)) for operation in asked if operation.kv]
    if any(operation.node or operation.service or operation.check for operation in asked):
        raise Refused(501, "Transactions of this agent are of keys only")
    with state.tables.write() as write:
        results, errors = _run(_Transaction(state, write), operations)
        if errors:
            write.take_back()
    return _answer(results, errors, reads_only=not any(kv.verb in _WRITES for kv, _ in operations))


def _run(
    transaction: _Transaction, operations: list[tuple[wire.KVOperation, Pair]]
) -> tuple[list[Pair], list[dict[str, Any]]]:
    results: list[Pair] = []
    errors: list[dict[str, Any]] = []
    for number, (asked, pair) in enumerate(operations):
        try:
            results += _operation(asked)(transaction, pair, asked.index)
        except _Failed as error:
            errors.append({"OpIndex": number, "What": str(error)})
    return results, errors


def _operation(asked: wire.KVOperation) -> _Operation:
    operation = _OPERATIONS.get(asked.verb)
    if operation is None:
        raise _Failed(f'unknown KV verb "{asked.verb}"')
    if not asked.key and not asked.verb.endswith("-tree"):
        raise _Failed("Must provide key")
    return operation


def _answer(results: list[Pair], errors: list[dict[str, Any]], *, reads_only: bool) -> Answer:
    body: dict[str, Any] = {"Results": None if errors else [{"KV": view(pair)} for pair in results]}
    body["Errors"] = errors or None
    status = 409 if errors else 200
    if not reads_only:
        return Answer(status, encode(body), JSON)
    body |= {"Index": 0, "LastContact": 0, "KnownLeader": True, "ConsistencyLevel": ""}
    return Answer(status, encode(body), JSON, KNOWN_LEADER)


def _pair(asked: wire.KVOperation, largest: int) -> Pair:
    """What an operation is about. Raises Refused."""
    try:
        value = base64.b64decode(asked.value or "", validate=True)
    except binascii.Error:
        raise Refused(
            400, f"Failed to parse body: illegal base64 data at input byte {_fault(asked.value or '')}"
        ) from None
    if len(value) > largest:
        raise Refused(413, f'Value for key "{asked.key}" is too large ({len(value)} > {largest} bytes)')
    return Pair(asked.key, value, asked.flags, asked.session)


def _fault(text: str) -> int:
    """Where what is no base64 begins."""
    good = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return next((at for at, character in enumerate(text) if character not in good), len(text))


ROUTES = (Route("PUT", "/v1/txn", transact),)
