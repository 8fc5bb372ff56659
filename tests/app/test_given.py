"""What a service cannot use is said where it is given: what it was, and what would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import muster
from muster import BadConfiguration
from muster.gunicorn import hooks
from muster.serve.settings import TLS, Limits, Second, Timing

Make = Callable[..., Any]


def orders(**arguments: Any) -> Any:
    return muster.Service("orders", **arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"timing": 5}, "Service(timing=5): expected a muster.Timing, or None"),
        ({"limits": 5}, "Service(limits=5): expected a muster.Limits, or None"),
        ({"tls": "x"}, "Service(tls='x'): expected a muster.TLS, or None"),
        ({"second": "x"}, "Service(second='x'): expected a muster.Second, or None"),
        ({"port": "80"}, "Service(port='80'): expected a whole number"),
        ({"host": None}, "Service(host=None): expected a text"),
        ({"advertise": 80}, "Service(advertise=80): expected a text, or None"),
        ({"register": True}, "Service(register=True): expected a text, or None"),
        ({"registry": 8500}, "Service(registry=8500): expected a URL, an open registry"),
        ({"protocols": 5}, "Service(protocols=5): expected 'grpc', 'http' or both"),
        ({"tags": 5}, "Service(tags=5): expected several texts"),
        ({"metadata": ["a"]}, "Service(metadata=['a']): expected a mapping"),
        ({"interceptors": 5}, "Service(interceptors=5): expected several"),
        ({"observe": 5}, "Service(observe=5): expected a function"),
    ],
)
def test_arguments_of_a_service(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        orders(**arguments)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: muster.Service(5), "Service(name=5): expected a text"),  # type: ignore[arg-type]
        (lambda: orders().mount(5), "mount(app=5): expected an ASGI application"),
        (lambda: orders().check(print), "@service.check needs parentheses"),
        (lambda: orders().check(every="30")(print), "check(every='30'): expected a number"),
        (lambda: orders().check(timeout=None)(print), "check(timeout=None): expected a number"),
        (lambda: Timing(drain="5"), "Timing(drain='5'): expected a number"),  # type: ignore[arg-type]
        (lambda: Timing(lagging=True), "Timing(lagging=True): expected a number, or None"),
        (lambda: Limits(calls="9"), "Limits(calls='9'): expected a whole number, or None"),  # type: ignore[arg-type]
        (lambda: Second(port="80"), "Second(port='80'): expected a whole number"),  # type: ignore[arg-type]
        (lambda: TLS(5, "key"), "TLS(certificate=5): expected the path of a PEM file"),  # type: ignore[arg-type]
        (lambda: TLS("a", "b", 5), "TLS(client_ca=5): expected the path of a PEM file, or None"),  # type: ignore[arg-type]
        (lambda: muster.asgi(5, "orders"), "asgi(app=5): expected an ASGI application"),  # type: ignore[arg-type]
    ],
)
def test_what_belongs_to_a_service(make: Make, says: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        make()
    assert str(raised.value).startswith(says)


def asgi(**options: Any) -> object:
    return muster.asgi(print, "orders", **options)  # type: ignore[arg-type]


def lifespan(**options: Any) -> object:
    return muster.lifespan("orders", **options)


def gunicorn(**options: Any) -> object:
    return hooks("orders", **options)


@pytest.mark.parametrize(("make", "called"), [(asgi, "asgi"), (lifespan, "lifespan"), (gunicorn, "hooks")])
def test_options(make: Make, called: str) -> None:
    with pytest.raises(TypeError, match=rf"^{called}\(\) got an unexpected keyword argument 'verson'$"):
        make(verson="1")
    for wrong, says in (
        ({"timing": 5}, "timing=5"),
        ({"health": None}, "health=None"),
        ({"metadata": 5}, "metadata=5"),
    ):
        with pytest.raises(BadConfiguration) as raised:
            make(**wrong)
        assert str(raised.value).startswith(f"{called}({says}): expected")


def test_what_can_be_used_is_taken() -> None:
    service = orders(
        tags=iter(["a"]), metadata=None, protocols="http", timing=Timing(drain=0, lagging=1), observe=print
    )
    service.check(every=30)(print)
    service.mount(muster.asgi(print, "inner"))  # type: ignore[arg-type]
    muster.lifespan("orders", timing=Timing(), observe=print)
