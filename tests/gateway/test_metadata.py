"""muster.gateway.metadata: what passes between HTTP headers and gRPC metadata, by tables."""

from __future__ import annotations

import pytest

from muster.gateway.exchange import Request
from muster.gateway.metadata import headers_of, metadata_of, timeout_of
from muster.gateway.problem import Refused


@pytest.mark.parametrize(
    ("header", "entry"),
    [
        ((b"authorization", b"Bearer x"), ("authorization", "Bearer x")),
        ((b"x-request-id", b"7"), ("x-request-id", "7")),
        ((b"traceparent", b"00-a-b-01"), ("traceparent", "00-a-b-01")),
        ((b"tracestate", b"a=b"), ("tracestate", "a=b")),
        ((b"baggage", b"k=v"), ("baggage", "k=v")),
        ((b"grpc-metadata-tenant", b"acme"), ("tenant", "acme")),
        ((b"grpc-metadata-a.b_c-d", b""), ("a.b_c-d", "")),
        ((b"grpc-metadata-raw-bin", b"AAE"), ("raw-bin", b"\0\1")),
        ((b"grpc-metadata-raw-bin", b"AAE="), ("raw-bin", b"\0\1")),
    ],
)
def test_headers_that_pass(header: tuple[bytes, bytes], entry: tuple[str, str | bytes]) -> None:
    assert metadata_of((header,)) == (entry,)


def test_what_is_not_listed_stays_outside() -> None:
    names = b"host connection te cookie x-forwarded-for user-agent content-type content-length tenant grpc-timeout"
    assert metadata_of(tuple((name, b"x") for name in names.split())) == ()


def test_a_header_may_come_several_times() -> None:
    headers = ((b"baggage", b"a=1"), (b"baggage", b"b=2"))
    assert metadata_of(headers) == (("baggage", "a=1"), ("baggage", "b=2"))


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ((b"grpc-metadata-grpc-timeout", b"1S"), "'grpc-metadata-grpc-timeout': cannot become metadata"),
        ((b"grpc-metadata-te", b"trailers"), "cannot become metadata"),
        ((b"grpc-metadata-content-length", b"0"), "cannot become metadata"),
        ((b"grpc-metadata-:path", b"/x"), "cannot become metadata"),
        ((b"grpc-metadata-", b"x"), "cannot become metadata"),
        ((b"grpc-metadata-a!b", b"x"), "cannot become metadata"),
        ((b"authorization", b"gr\xfcn"), "header 'authorization': has characters that metadata cannot carry"),
        ((b"grpc-metadata-a", b"a\tb"), "has characters that metadata cannot carry"),
        ((b"grpc-metadata-raw-bin", b"%%"), "header 'raw-bin': has to be base64"),
    ],
)
def test_headers_that_cannot_be_metadata(header: tuple[bytes, bytes], text: str) -> None:
    with pytest.raises(Refused) as caught:
        metadata_of((header,))
    assert caught.value.problem.status == 400
    assert text in caught.value.problem.detail


def test_metadata_comes_back_with_a_prefix_but_for_what_is_about_the_connection() -> None:
    metadata = [
        ("served-by", "a"),
        ("raw-bin", b"\0\1"),
        ("grpc-encoding", "gzip"),
        ("content-type", "application/grpc"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("user-agent", "x"),
    ]
    assert headers_of(metadata) == ((b"grpc-metadata-served-by", b"a"), (b"grpc-metadata-raw-bin", b"AAE="))


def asking(timeout: str | None) -> Request:
    headers = () if timeout is None else ((b"grpc-timeout", timeout.encode()),)
    return Request("GET", "/", "", headers)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, 30.0), ("500m", 0.5), ("2S", 2.0), ("1M", 30.0), ("99999999H", 30.0), ("250000u", 0.25), ("0n", 0.0)],
)
def test_timeouts(text: str | None, seconds: float) -> None:
    assert timeout_of(asking(text), 30.0) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1S", "1.5S", "1s", "999999999S", "1S ms", "٣S"])
def test_timeouts_that_are_none(text: str) -> None:
    with pytest.raises(Refused, match="grpc-timeout") as caught:
        timeout_of(asking(text), 30.0)
    assert caught.value.problem.status == 400
