"""The index that each blocking query of the catalog compares: a function of which topics the writes so far concerned.

- catalog/nodes and catalog/services have the index of their table's last change.
- A service's index is that of the last change of its instances, their checks, their nodes or those nodes' checks.
- A service without instances has the index at which any service last lost its last instance: that, and nothing else
  about other services, ends a query that waits for it to appear, and is why such waiters wake a little too often.
- health/checks, health/node and health/state have the index of the table of checks.
- A node's index is that of its own last change, or of its services'; of a node that is gone, that of its going.
- The index of what can be reached over Connect is that of the services that are reached so.
"""

from __future__ import annotations

from muster.agent.catalog.tables import Nodes, Services
from muster.agent.catalog.topics import CHECKS, EXTINCTION, NODES, SERVICES, Topic
from muster.agent.store.write import Write


class Indexes:
    """The indexes of one catalog. They move once a write is concluded, so that one that is taken back moves none."""

    def __init__(self, first: int, nodes: Nodes, services: Services) -> None:
        self._nodes = nodes
        self._services = services
        self._tables = {NODES: first, SERVICES: first, CHECKS: first}
        self._of_service: dict[str, int] = {}
        self._of_node: dict[str, int] = {}
        self._extinction = 0
        self._lost_node = 1
        self.connect = first
        """That of the last change of what can be reached over Connect."""

    def of_table(self, table: Topic) -> int:
        return self._tables[table]

    def of_service(self, name: str) -> int:
        """The index of a service, of a name without instances too."""
        return self._of_service.get(name.lower()) or self._extinction or max(self._tables.values())

    def of_node(self, name: str) -> int:
        """The index of a node; of an unknown one, that at which a node was last lost."""
        return self._of_node.get(name.lower(), self._lost_node)

    def conclude(self, write: Write) -> None:
        """Move the indexes of what a write concerned."""
        if write.everything:
            self._move_all(write.index)
        for topic in write.topics:
            self._move(topic, write.index)

    def _move(self, topic: Topic, index: int) -> None:
        kind, name = topic
        if kind == "health":
            if self._services.exists(name):
                self._of_service[name] = index
            else:
                self._of_service.pop(name, None)
        elif kind == "node":
            if name in self._nodes:
                self._of_node[name] = index
            else:
                self._of_node.pop(name, None)
                self._lost_node = index
        elif kind == "connect":
            self.connect = index
        elif topic == EXTINCTION:
            self._extinction = index
        elif topic in self._tables:
            self._tables[topic] = index

    def _move_all(self, index: int) -> None:
        self._tables = dict.fromkeys(self._tables, index)
        self._of_service = dict.fromkeys(self._services.names(), index)
        self._of_node = {name: index for name, _ in self._nodes.rows()}
        self._extinction = self._lost_node = self.connect = index
