"""Which service a URL means."""

from __future__ import annotations

import pytest
from aiohttp import InvalidURL
from yarl import URL

from muster.http.client.naming import service_of, spelled


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://greeter/say", "greeter"),
        ("https://greeter:443/", "greeter"),
        ("http://greeter:80/", "greeter"),
        ("http://orders.v1/", "orders.v1"),
        ("http://my_service/", "my_service"),
        ("http://Greeter/", "greeter"),
        ("ws://greeter/", "greeter"),
        ("http://v1.2/", "v1.2"),
    ],
)
def test_names(url: str, name: str) -> None:
    assert service_of(URL(url)) == name


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://greeter:8080/", "names port 8080: leave it out"),
        ("http://127.0.0.1/", "is an address and no service"),
        ("http://127.1/", "is an address and no service"),
        ("http://2130706433/", "is an address and no service"),
        ("http://[::1]/", "is an address and no service"),
        ("http://greeter./", "cannot be used"),
        ("http://%20/", "cannot be used"),
        ("/say", "empty"),
    ],
)
def test_what_names_no_service(url: str, why: str) -> None:
    with pytest.raises(InvalidURL, match=why):
        service_of(URL(url))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://Greeter/say", "Greeter"),
        ("HTTP://user:Secret@Greeter:80/Say?Name=X#Y", "Greeter"),
        ("http://greeter/Say?to=http://Orders/", ""),
        ("http://user:Secret@greeter/", ""),
        ("http://greeter", ""),
        ("Greeter/say", ""),
        ("", ""),
    ],
)
def test_upper_case_is_known_from_the_text_alone(url: str, name: str) -> None:
    assert spelled(url) == name
