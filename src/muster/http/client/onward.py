"""How long a request may take, as it is told to who serves it. Pure.

The header is gRPC's, which muster's gateway takes too: digits and a unit, such as 1500m for a second and a half
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

TIMEOUT = "Grpc-Timeout"

MOST_DIGITS = 10**8


def written(seconds: float) -> str:
    """Rounded down, so that nobody works for a caller who has gone; never 0."""
    milliseconds = max(1, int(seconds * 1e3))
    return f"{milliseconds}m" if milliseconds < MOST_DIGITS else f"{min(int(seconds), MOST_DIGITS - 1)}S"
