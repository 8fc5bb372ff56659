"""A method that is called only on instances of one version: those that its messages were made for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, Decision
from muster.client.pool import Pool
from muster.grpc.link import Link
from muster.grpc.method import Calling, Kind, Method
from muster.model.errors import NoInstances
from muster.model.instance import Instance
from muster.model.outcome import Outcome


class NoneAlike(NoInstances):
    """No instance of that version is left, but others are. Nothing of the request has been processed."""


class Alike(Method):
    """As Method, for one call: `node` is chosen first, and then nobody but those like it. Raises NoneAlike where
    others are left alone.

    The first choice was made before, when the request was prepared: a second one would take a turn of its own, and of
    two instances in turn only every other would ever be called.
    """

    def __init__(
        self,
        pool: Pool[Link],
        calling: Calling,
        path: str,
        codec: tuple[Any, Any],
        node: Node[Link],
        *,
        idempotent: bool,
    ) -> None:
        super().__init__(pool, calling, Kind.UNARY_UNARY, path, (*codec, False))
        self.idempotent = self.idempotent or idempotent
        self.hedged = self.idempotent and calling.hedger is not None
        self._name = pool.name
        self._model = node.instance
        self._first: Node[Link] | None = node

    def choose(self, tried: Collection[Node[Link]] = (), key: str | None = None) -> Node[Link]:
        first, self._first = self._first, None
        if first is not None and _usable(first) and (self.turnstile is None or self.turnstile.admits(first)):
            return first
        node = super().choose(Unlike(self._model, tried), key)
        if not alike(node.instance, self._model):
            node = super().choose(Unlike(self._model), key)
        if not alike(node.instance, self._model):
            raise NoneAlike(self._name, f"none of version {self._model.version!r} is left", known=True)
        return node

    async def wait(self, tried: Collection[Node[Link]], key: str | None = None, *, wait_for_ready: bool) -> Node[Link]:
        node = await super().wait(Unlike(self._model, tried), key, wait_for_ready=wait_for_ready)
        return node if alike(node.instance, self._model) else self.choose(tried, key)

    def decide(self, state: Attempts, outcome: Outcome, tried: Collection[Node[Link]], *, repeatable: bool) -> Decision:
        return super().decide(state, outcome, Unlike(self._model, tried), repeatable=repeatable)


def _usable(node: Node[Link]) -> bool:
    return node.fit and not node.gone and node.link is not None and node.link.connected


def alike(one: Instance, other: Instance) -> bool:
    """Whether two instances of a service claim to understand the same messages."""
    return one.version == other.version and one.endpoints == other.endpoints


class Unlike(Collection[Node[Link]]):
    """The nodes whose instance is not like `model`, and those in `tried`; a collection to look into only."""

    def __init__(self, model: Instance, tried: Collection[Node[Link]] = ()) -> None:
        self._model = model
        self._tried = tried

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Node) and (node in self._tried or not alike(node.instance, self._model))

    def __iter__(self) -> Iterator[Node[Link]]:
        return iter(self._tried)

    def __len__(self) -> int:
        return len(self._tried)
