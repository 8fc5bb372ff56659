"""What a reader can wait for: each write says which of these it concerns."""

from __future__ import annotations

Topic = tuple[str, str]
"""What a reader can wait for: a kind, and a name in lower case where the kind has one."""

NODES: Topic = ("nodes", "")
SERVICES: Topic = ("services", "")
CHECKS: Topic = ("checks", "")
EXTINCTION: Topic = ("extinction", "")


def instances_of(name: str) -> Topic:
    """A service's instances and their nodes, without checks."""
    return ("instances", name.lower())


def health_of(name: str) -> Topic:
    """A service's instances, their nodes and the checks of both."""
    return ("health", name.lower())


def checks_of(name: str) -> Topic:
    """The checks of a service's instances, without those of nodes."""
    return ("service checks", name.lower())


def node_of(name: str) -> Topic:
    """A node and the instances on it, without checks."""
    return ("node", name.lower())


def checks_on(node: str) -> Topic:
    """The checks of a node and of the instances on it."""
    return ("node checks", node.lower())


def connected_to(name: str) -> Topic:
    """Which instances take calls for a service over Connect: its own that do so themselves, and its proxies."""
    return ("connect", name.lower())
