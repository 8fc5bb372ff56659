"""How one attempt of a call ended: what retry decides on and load is measured by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` is a gRPC status name ("OK", "UNAVAILABLE"); HTTP answers are mapped to one by `rpc.status`.

    `unprocessed`: it is certain that no byte of the request was processed, so that sending it again is safe.
    `seconds`: from sending to the end of the attempt. `pushback`: the pause that the server asked for, in seconds;
    negative means "do not try again" (gRPC A6, https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
    """

    code: str
    unprocessed: bool = False
    seconds: float = 0.0
    pushback: float | None = None

    @property
    def ok(self) -> bool:
        return self.code == "OK"
