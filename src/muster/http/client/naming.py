"""Which service a URL means. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import InvalidURL
from yarl import URL

from muster.model.errors import Rejected
from muster.model.service import check_name

DEFAULT_PORTS = (None, 80, 443)

_HOST = re.compile(r"[a-zA-Z]+://(?:[^/?#@]*@)?([^/?#@:]*)")


def service_of(url: URL) -> str:
    """The service that stands where the host of `url` does.

    Raises aiohttp.InvalidURL for what names no service: an address, a port (the registry knows the ports), or a host
    with characters that no service's name has. Hosts are lower case in a URL (RFC 3986, section 6.2.2.1): `spelled` has
    the name as it was written.
    """
    host = url.raw_host or ""
    if url.explicit_port not in DEFAULT_PORTS:
        raise InvalidURL(url, f"it names port {url.explicit_port}: leave it out, the registry knows the port")
    if _is_address(host):
        raise InvalidURL(url, f"{host!r} is an address and no service: use a session of aiohttp's own for it")
    try:
        check_name(host)
    except Rejected as error:
        raise InvalidURL(url, str(error)) from None
    return host


def spelled(url: str) -> str:
    """The host of `url` where it has upper case, of which a parsed URL knows no more; else empty.

    Consul finds a service by its name in any case. Other registries may not.
    """
    found = _HOST.match(url)
    host = found[1] if found else ""
    return "" if host == host.lower() else host


def _is_address(host: str) -> bool:
    """Whether aiohttp might connect to `host` without asking a resolver: also to 127.1 and 2130706433."""
    try:
        ip_address(host)
    except ValueError:
        return host.replace(".", "").isdigit()
    return True
