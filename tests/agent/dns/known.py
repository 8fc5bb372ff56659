"""A catalog to ask about, without an agent around it."""

from __future__ import annotations

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.agent.dns.reverse import AddressNames
from muster.agent.dns.zone import Known
from muster.agent.queries.executing import Executed
from muster.agent.store.tables import Tables
from muster.model.check import Health

NODE = NodeRow("here", "127.0.0.1", meta={"rack": "r1"})


class Registry:
    """A catalog with its tables, and prepared queries by name."""

    def __init__(self) -> None:
        self.tables = Tables(1, lambda topics: None)
        self.catalog = Catalog(self.tables)
        self.queries: dict[str, Executed] = {}
        self.put(NODE)

    @property
    def known(self) -> Known:
        return Known(self.catalog, self.queries.get, AddressNames(self.catalog), "here", "dc1")

    def put(self, node: NodeRow, *services: ServiceRow, health: Health | None = None) -> None:
        """Write instances, all with one check of that health, or none."""
        with self.tables.write() as write:
            self.catalog.register(write, node)
            for row in services:
                checks = [] if health is None else [CheckRow(row.node, f"c-{row.id}", "c", health, service_id=row.id)]
                self.catalog.register(write, None, row, checks)


def web(number: int, **more: object) -> ServiceRow:
    fields: dict[str, object] = {"address": f"10.0.0.{number}", "port": 8000 + number, "tags": ("V1",), **more}
    return ServiceRow("here", f"web-{number}", "web", **fields)  # type: ignore[arg-type]
