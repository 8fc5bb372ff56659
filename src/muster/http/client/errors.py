"""Nobody to call, in aiohttp's terms and in muster's: whoever catches either catches these."""

from __future__ import annotations

import errno

import aiohttp
from aiohttp.client_reqrep import ConnectionKey

from muster.model.errors import MusterError, NoInstances, Overloaded, RegistryUnavailable


class NobodyToCall(NoInstances, aiohttp.ClientConnectorError):
    """NoInstances, for `except aiohttp.ClientConnectorError` too. Its text names the service and the reason."""

    def __init__(self, key: ConnectionKey, error: NoInstances) -> None:
        aiohttp.ClientConnectorError.__init__(self, key, OSError(errno.EHOSTUNREACH, str(error)))
        self.name = error.name
        self.why = error.why
        self.known = error.known

    def __str__(self) -> str:
        return str(self.os_error.strerror)


class NothingKnown(RegistryUnavailable, aiohttp.ClientConnectorError):
    """RegistryUnavailable, for `except aiohttp.ClientConnectorError` too."""

    def __init__(self, key: ConnectionKey, error: RegistryUnavailable) -> None:
        aiohttp.ClientConnectorError.__init__(self, key, OSError(errno.EHOSTUNREACH, str(error)))
        self.retry_after = error.retry_after

    def __str__(self) -> str:
        return str(self.os_error.strerror)


class TooMany(Overloaded, aiohttp.ClientConnectorError):
    """Overloaded, for `except aiohttp.ClientConnectorError` too."""

    def __init__(self, key: ConnectionKey, error: Overloaded) -> None:
        aiohttp.ClientConnectorError.__init__(self, key, OSError(errno.EAGAIN, str(error)))

    def __str__(self) -> str:
        return str(self.os_error.strerror)


class Stranger(aiohttp.ClientConnectorError):
    """Connected, but not to the instance that was meant: no request was sent."""

    def __init__(self, key: ConnectionKey, why: str) -> None:
        super().__init__(key, OSError(errno.ECONNREFUSED, why))

    def __str__(self) -> str:
        return str(self.os_error.strerror)


class NotTaken(TimeoutError):
    """An instance took no connection in time: no request was sent. aiohttp makes a ConnectionTimeoutError of it, as it
    does when no connection of the pool became free in time."""


def in_terms_of_aiohttp(error: MusterError, key: ConnectionKey) -> Exception:
    """What a caller of aiohttp's interface gets for `error`, which a pool raised."""
    match error:
        case NoInstances():
            return NobodyToCall(key, error)
        case RegistryUnavailable():
            return NothingKnown(key, error)
        case Overloaded():
            return TooMany(key, error)
        case _:
            return error
