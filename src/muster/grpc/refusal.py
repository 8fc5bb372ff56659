"""How a server says that it has refused a call unread, so that clients may send it elsewhere, whatever the method.

gRPC has no such status: RESOURCE_EXHAUSTED may just as well come from a handler that has done half of its work.
"""

from __future__ import annotations

REFUSED = "muster-refused"
"""A key of the trailing metadata."""

Trailing = tuple[tuple[str, str], ...]

UNREAD: Trailing = ((REFUSED, "unread"),)
