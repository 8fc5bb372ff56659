"""How an instance that is reached by HTTP proves that it is no stranger on its port.

An instance that muster registers says where in its metadata: with `muster-health: /health`, the path `/health/ID`
answers 2xx with the header `Muster-Instance: ID`, where ID is the instance's own id. A stranger answers 404, or
something else that lacks the header; many applications answer 200 to any path. 503 with the header says that it is
this instance and that it wants no calls now; 503 with the service's name there, that a process of it begins, and does
not know its id yet. An entry without that metadata cannot be verified.
"""

from __future__ import annotations

METADATA = "muster-health"
HEADER = "Muster-Instance"
DEFAULT_PATH = "/health"


def path_of(prefix: str, instance_id: str) -> str:
    """The path below `prefix` at which this instance, and no other, answers."""
    return f"{prefix.rstrip('/')}/{instance_id}"
