"""/v1/catalog/register and deregister: nodes, instances and checks written past the agents, as for external services.

What the agent itself looks after does not stay removed: it is put back at once, which in Consul takes up to a minute.
"""

from __future__ import annotations

from muster.agent.api.answer import Answer, Refused, json_answer
from muster.agent.api.body import CATALOG, decode_body
from muster.agent.api.catalog_operations import NO_CHECK_ID, name_taken
from muster.agent.api.reading import require_datacenter_named
from muster.agent.api.registration import catalog_check_row, catalog_service_row
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.api.uuids import uuid_complaint
from muster.agent.catalog.catalog import NameTaken, NoCheckId, UnknownService
from muster.agent.catalog.rows import NodeRow
from muster.agent.state import State
from muster.agent.store.write import Write
from muster.registry.consul import wire


def register(state: State, request: Request) -> Answer:
    """Write a node and, if named, an instance and checks on it."""
    asked = decode_body(request.body, wire.CatalogRegistration, CATALOG)
    require_datacenter_named(state, asked.datacenter)
    _validate(asked)
    service = None if asked.service is None else catalog_service_row(asked.service, asked.node)
    checks = [catalog_check_row(check, asked.node) for check in _checks(asked)]
    node = None if asked.skip_node_update and state.catalog.has_node(asked.node) else _node_row(state, asked)
    try:
        with state.tables.write() as write:
            state.catalog.register(write, node, service, checks)
    except UnknownService:
        raise Refused(500, f'failed inserting check: Missing service registration on node "{asked.node}"') from None
    except NoCheckId:
        raise Refused(500, f'failed inserting check: {NO_CHECK_ID} on node "{asked.node}"') from None
    except NameTaken as error:
        taken = name_taken(asked.id, asked.node, error.args[0])
        raise Refused(500, f"failed inserting node: {taken}") from None
    return json_answer(True)


def deregister(state: State, request: Request) -> Answer:
    """Remove an instance, a check or, where neither is named, a node; unknown ones are fine."""
    asked = decode_body(request.body, wire.CatalogDeregistration, CATALOG)
    require_datacenter_named(state, asked.datacenter)
    if not asked.node:
        raise Refused(500, "Must provide node")
    with state.tables.write() as write:
        _deregister(state, write, asked)
    if write.changes and asked.node.lower() == state.identity.node.lower():
        state.put_back()
    return json_answer(True)


def _deregister(state: State, write: Write, asked: wire.CatalogDeregistration) -> None:
    if asked.service_id:
        state.catalog.deregister_service(write, asked.node, asked.service_id)
    elif asked.check_id:
        state.catalog.deregister_check(write, asked.node, asked.check_id)
    else:
        state.catalog.deregister_node(write, asked.node)


def _checks(asked: wire.CatalogRegistration) -> list[wire.CatalogCheck]:
    given = [*(asked.checks or ()), *((asked.check,) if asked.check else ())]
    for check in given:
        if check.node and check.node.lower() != asked.node.lower():
            raise Refused(500, f'check node "{check.node}" does not match node "{asked.node}"')
    return given


def _validate(asked: wire.CatalogRegistration) -> None:
    if not asked.node:
        raise Refused(500, "Must provide node")
    if not asked.address and not asked.skip_node_update:
        raise Refused(500, "Must provide address if SkipNodeUpdate is not set")
    complaint = uuid_complaint(asked.id) if asked.id else ""
    if complaint:
        raise Refused(500, f"Bad node ID: {complaint}")


def _node_row(state: State, asked: wire.CatalogRegistration) -> NodeRow:
    return NodeRow(
        name=asked.node,
        address=asked.address,
        id=asked.id.lower(),
        datacenter=state.identity.datacenter,
        tagged_addresses=asked.tagged_addresses,
        meta=asked.node_meta,
    )


ROUTES = (
    Route("PUT", "/v1/catalog/register", register),
    Route("PUT", "/v1/catalog/deregister", deregister),
)
