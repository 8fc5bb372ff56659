"""/v1/txn: several operations on keys, nodes, instances and checks, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from muster.agent.api.answer import JSON, Answer, Refused, encode, text_answer
from muster.agent.api.body import TRANSACTION, decode_list
from muster.agent.api.catalog_operations import check_operation, node_operation, service_operation
from muster.agent.api.key_operations import key_operation
from muster.agent.api.operation import Failed, Operation
from muster.agent.api.reading import KNOWN_LEADER, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.state import State
from muster.agent.store.write import Write
from muster.registry.consul import wire

_MOST_OPERATIONS = 64

Errors = list[dict[str, Any]]
"""Which operations cannot be done, and why."""


def transact(state: State, request: Request) -> Answer:
    """Do all the operations, or none and say of each why not."""
    _refuse_large(request, state.in_force.limits.kv_max_value_size)
    asked = decode_list(request.body, wire.TransactionOperation, "api.TxnOps", TRANSACTION)
    if len(asked) > _MOST_OPERATIONS:
        return text_answer(413, f"Transaction contains too many operations ({len(asked)} > {_MOST_OPERATIONS})")
    require_datacenter(state, request.params)
    operations = list(_operations(state, asked))
    with state.tables.write() as write:
        results, errors = _run(operations, write)
        if errors:
            write.take_back()
    if _takes_from_agent(state, write):
        state.put_back()
    return _answer(results, errors, reads_only=all(operation.reads_only for operation in operations))


def _refuse_large(request: Request, largest: int) -> None:
    if len(request.body) > largest:
        raise Refused(
            413,
            f"Request body({len(request.body)} bytes) too large, max size: {largest} bytes. "
            "See https://www.consul.io/docs/agent/options.html#txn_max_req_len.",
        )


def _operations(state: State, asked: list[wire.TransactionOperation]) -> Iterator[Operation]:
    """What is asked for; an element that asks for nothing is passed over. Raises Refused."""
    for one in asked:
        if one.kv is not None:
            yield key_operation(state, one.kv)
        elif one.node is not None:
            yield node_operation(state.catalog, state.identity.datacenter, one.node)
        elif one.service is not None:
            yield service_operation(state.catalog, one.service)
        elif one.check is not None:
            yield check_operation(state.catalog, one.check)


def _run(operations: Sequence[Operation], write: Write) -> tuple[list[dict[str, Any]], Errors]:
    """What the operations show and, where some cannot be done, which and why. As in Consul all are looked at before
    the first one is done."""
    _, errors = _each(operations, lambda operation: operation.prepare())
    if errors:
        return [], errors
    shown, errors = _each(operations, lambda operation: operation.run(write))
    return [result for results in shown for result in results], errors


def _each(operations: Sequence[Operation], do: Callable[[Operation], Any]) -> tuple[list[Any], Errors]:
    done: list[Any] = []
    errors: Errors = []
    for number, operation in enumerate(operations):
        try:
            done.append(do(operation))
        except Failed as error:
            errors.append({"OpIndex": number, "What": str(error)})
    return done, errors


def _takes_from_agent(state: State, write: Write) -> bool:
    """Whether something was removed from the agent's own node, or that node."""
    own, tables = state.identity.node.lower(), state.catalog.tables
    return any(
        change.after is None and change.table in tables and _node_of(change.key) == own for change in write.changes
    )


def _node_of(key: Any) -> Any:
    """The name of the node in the key of a row of the catalog."""
    return key if isinstance(key, str) else key[0]


def _answer(results: list[dict[str, Any]], errors: Errors, *, reads_only: bool) -> Answer:
    body: dict[str, Any] = {"Results": None if errors else results, "Errors": errors or None}
    status = 409 if errors else 200
    if not reads_only:
        return Answer(status, encode(body), JSON)
    body |= {"Index": 0, "LastContact": 0, "KnownLeader": True, "ConsistencyLevel": ""}
    return Answer(status, encode(body), JSON, KNOWN_LEADER)


ROUTES = (Route("PUT", "/v1/txn", transact),)
