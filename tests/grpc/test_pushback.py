"""The pause that a server asks for, in each of the ways that it can be said."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from muster.grpc.pushback import DETAILS, PUSHBACK, pushback


def details(*parts: Any) -> bytes:
    packed = []
    for part in parts:
        each = Packed()
        each.Pack(part)
        packed.append(each)
    return Status(code=8, details=packed).SerializeToString()


def wait(seconds: int, nanos: int = 0) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


BROKEN = Packed(type_url="/google.rpc.RetryInfo", value=b"\xff")


@pytest.mark.parametrize(
    ("trailing", "seconds"),
    [
        ([], None),
        ([(PUSHBACK, "0")], 0.0),
        ([(PUSHBACK, "250")], 0.25),
        ([(PUSHBACK, "-1")], -1.0),
        ([(PUSHBACK, "1.5")], -1.0),
        ([(PUSHBACK, "")], -1.0),
        ([(PUSHBACK, "²")], -1.0),
        ([(DETAILS, details(wait(2, 500_000_000)))], 2.5),
        ([(DETAILS, details(ErrorInfo(reason="full"), wait(1)))], 1.0),
        ([(DETAILS, details(ErrorInfo(reason="full")))], None),
        ([(DETAILS, details(wait(-3)))], 0.0),
        ([(DETAILS, details(wait(2**62)))], float(2**62)),
        ([(DETAILS, b"\xff\xff no protobuf")], None),
        ([(DETAILS, Status(details=[BROKEN]).SerializeToString())], None),
        ([(PUSHBACK, "10"), (DETAILS, details(wait(5)))], 0.01),
    ],
)
def test_what_it_says(trailing: list[tuple[str, Any]], seconds: float | None) -> None:
    assert pushback(grpc.aio.Metadata(*trailing)) == seconds


def test_no_metadata_says_nothing() -> None:
    assert pushback(None) is None
