"""How an instance that is reached by HTTP proves that it is no stranger on its port.

The other half of muster.rpc.identity: what a client asks and how it judges the answer.
"""

from __future__ import annotations

from enum import Enum

from muster.model.instance import Instance
from muster.rpc.identity import HEADER as HEADER
from muster.rpc.identity import METADATA as METADATA
from muster.rpc.identity import path_of


class Verdict(Enum):
    SERVING = "serving"
    NOT_SERVING = "draining, or not serving yet"
    STRANGER = "a stranger"


def health_path(instance: Instance) -> str | None:
    """The path that proves who an instance is; None for one that cannot be verified."""
    prefix = instance.metadata.get(METADATA, "")
    return path_of(prefix, instance.id) if prefix.startswith("/") else None


def judge(instance: Instance, status: int, header: str | None) -> Verdict:
    """What the answer of `health_path` says. A process that begins names its service, until it knows its id."""
    if status == 503 and header == instance.service:
        return Verdict.NOT_SERVING
    if header != instance.id:
        return Verdict.STRANGER
    if 200 <= status < 300:
        return Verdict.SERVING
    return Verdict.NOT_SERVING if status == 503 else Verdict.STRANGER


def why_not(instance: Instance, verdict: Verdict) -> str:
    """What to tell people of a verdict that is not SERVING."""
    if verdict is Verdict.STRANGER:
        return f"a stranger answers at {instance.address}: it does not know instance {instance.id}"
    return f"{instance.id} at {instance.address}: {verdict.value}"
