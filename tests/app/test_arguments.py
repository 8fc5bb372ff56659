"""What a client cannot use is said where it is given: what it was, and what would do."""

from __future__ import annotations

from typing import Any

import pytest

import muster
import muster.sync
from muster.balance.outlier import Outliers
from muster.balance.subset import Subset
from muster.grpc.transport import Dialing
from muster.model.errors import BadConfiguration


@pytest.mark.parametrize("kind", [muster.Client, muster.sync.Client])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"timeout": "x"}, "Client(timeout='x'): expected a number, or None"),
        ({"timeout": True}, "Client(timeout=True): expected a number"),
        ({"timeout": float("nan")}, "Client(timeout=nan): expected a number"),
        ({"timeout": 0}, "Client(timeout=0): must be above 0"),
        ({"registry": 8500}, "Client(registry=8500): expected a URL"),
        ({"retry": 3}, "Client(retry=3): expected a muster.RetryPolicy"),
        ({"retry": None}, "Client(retry=None): expected a muster.RetryPolicy"),
        ({"concurrency": 10}, "Client(concurrency=10): expected a muster.Concurrency, or None"),
        ({"balancing": "random"}, "Client(balancing='random'): expected a muster.Balancing"),
        ({"cache_dir": 7}, "Client(cache_dir=7): expected the path of a folder"),
        ({"observe": []}, "Client(observe=[]): expected a function"),
        ({"idempotent": "/a.B/C"}, "Client(idempotent='/a.B/C'): expected a set of methods"),
        ({"idempotent": 7}, "Client(idempotent=7): expected a set of methods"),
        ({"idempotent": {"Say.Hello"}}, "idempotent method 'Say.Hello'"),
        ({"idempotent": {7}}, "idempotent method 7"),
    ],
)
def test_arguments_of_a_client(kind: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        kind(**arguments)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: muster.RetryPolicy(attempts="3"), "RetryPolicy(attempts='3'): expected a whole number"),
        (lambda: muster.RetryPolicy(attempts=2.5), "RetryPolicy(attempts=2.5): expected a whole number"),
        (lambda: muster.RetryPolicy(attempt_timeout="1s"), "RetryPolicy(attempt_timeout='1s'): expected a number, or"),
        (lambda: muster.RetryPolicy(hedging=True), "RetryPolicy(hedging=True): expected a Hedging, or None"),
        (lambda: muster.RetryPolicy(codes="UNAVAILABLE"), "RetryPolicy(codes='UNAVAILABLE'): expected a frozenset"),
        (lambda: muster.Hedging(delay="p95"), "Hedging(delay='p95'): expected a number, or None"),
        (lambda: muster.Concurrency(instance="many"), "Concurrency(instance='many'): expected a whole number, or None"),
        (lambda: muster.Balancing(panic=None), "Balancing(panic=None): expected a number"),
        (lambda: muster.Balancing(key=7), "Balancing(key=7): expected a text"),
        (lambda: muster.Balancing(outliers=3), "Balancing(outliers=3): expected an Outliers"),
        (lambda: muster.Balancing(subset=20), "Balancing(subset=20): expected a Subset, or None"),
        (lambda: Outliers(consecutive="5"), "Outliers(consecutive='5'): expected a whole number"),
        (lambda: Subset("20"), "Subset(size='20'): expected a whole number"),
        (lambda: Dialing(age="1h"), "Dialing(age='1h'): expected a number, or None"),
    ],
)
def test_numbers_that_belong_together(make: Any, says: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        make()
    assert str(raised.value).startswith(says)


def test_what_can_be_used_is_taken() -> None:
    muster.Client(timeout=None)
    muster.Client(timeout=3, idempotent=iter(["/a.B/*"]), observe=print, cache_dir="/nowhere")
