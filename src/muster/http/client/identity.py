"""How an instance that is reached by HTTP proves that it is no stranger on its port.

An instance that muster registers says where in its metadata: with `muster-health: /health`, the path `/health/ID`
answers 2xx with the header `Muster-Instance: ID`, where ID is the instance's own id. A stranger answers 404, or
something else that lacks the header; many applications answer 200 to any path. 503 with the header says that it is
this instance and that it wants no calls now. An entry without that metadata cannot be verified.
"""

from __future__ import annotations

from enum import Enum

from muster.model.instance import Instance

METADATA = "muster-health"
HEADER = "Muster-Instance"


class Verdict(Enum):
    SERVING = "serving"
    NOT_SERVING = "draining, or not serving yet"
    STRANGER = "a stranger"


def health_path(instance: Instance) -> str | None:
    """The path that proves who an instance is; None for one that cannot be verified."""
    prefix = instance.metadata.get(METADATA, "")
    return f"{prefix.rstrip('/')}/{instance.id}" if prefix.startswith("/") else None


def judge(instance_id: str, status: int, header: str | None) -> Verdict:
    """What the answer of `health_path` says."""
    if header != instance_id:
        return Verdict.STRANGER
    if 200 <= status < 300:
        return Verdict.SERVING
    return Verdict.NOT_SERVING if status == 503 else Verdict.STRANGER


def why_not(instance: Instance, verdict: Verdict) -> str:
    """What to tell people of a verdict that is not SERVING."""
    if verdict is Verdict.STRANGER:
        return f"a stranger answers at {instance.address}: it does not know instance {instance.id}"
    return f"{instance.id} at {instance.address}: {verdict.value}"
