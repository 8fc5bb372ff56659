"""From a registry URL and the environment to a `Config`. Pure: files that are named here are read later.

    consul://127.0.0.1:8500                      one agent
    consul://a:8500,b:8500?dc=east&stale=0       several agents of one cluster: reads fail over
    consul://a:8500?dc=east,west                 west only while east has nobody to call
    consul+https://consul.internal:8501          TLS; also ?tls=1
    consul+unix:///run/consul.sock               a Unix socket
    consul://                                    CONSUL_HTTP_ADDR, or 127.0.0.1:8500

An option in the URL goes before the environment variable of the same meaning. Variables:
https://developer.hashicorp.com/consul/commands#environment-variables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import unquote

from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port, split_host_port
from muster.registry.consul.duration import parse_duration
from muster.registry.url import Parts, redact, split_url

T = TypeVar("T")

PORT = 8500
TLS_PORT = 8501
MAX_WAIT = 600.0
"""Seconds: Consul cuts a longer wait to this (its limit is not configurable by clients)."""

MOST_QUERIES = 10_000
"""For agents whose `http_max_conns_per_client` was raised."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an agent's HTTP API is: host and port, or the path of a Unix socket."""

    host: str
    port: int
    socket: str = ""

    def __str__(self) -> str:
        return f"unix://{self.socket}" if self.socket else join_host_port(self.host, self.port)

    @property
    def local(self) -> bool:
        """On this machine for certain: no bytes to save on the way."""
        return bool(self.socket) or self.host in ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class TLS:
    """How TLS is spoken. Paths of PEM files; empty: the system's certificates, no client certificate."""

    ca_file: str = ""
    ca_path: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers are asked for; times in seconds.

    `stale`: any server may answer, not only the leader, so that reads scale and survive an election. `max_stale`: an
    answer from a server that last heard of the leader longer ago is not used; the leader is asked instead. `wait`: how
    long a blocked query may last, which is also how soon a connection that died silently is noticed. `timeout`: for
    everything else, and for what a blocked query may be late. `queries`: how many names of this process are watched by
    queries that block, at most; the others are asked every `poll` seconds or so.
    """

    stale: bool = True
    max_stale: float = 10.0
    wait: float = 60.0
    timeout: float = 10.0
    queries: int = 64
    poll: float = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """All that the backend needs to know. `auth` is `user:password` of HTTP basic authentication. `datacenters` to
    read from, in order; none: the agent's own."""

    addresses: tuple[Address, ...]
    tls: TLS | None = None
    datacenters: tuple[str, ...] = ()
    namespace: str = ""
    token: str = ""
    token_file: str = ""
    auth: str = ""
    reading: Reading = Reading()

    def __str__(self) -> str:
        """The registry URL, without token, token file and password."""
        options = [
            ("dc", ",".join(self.datacenters)),
            ("ns", self.namespace),
            ("stale", "" if self.reading.stale else "0"),
        ]
        query = "&".join(f"{name}={value}" for name, value in options if value)
        return f"{self._base()}{'?' if query else ''}{query}"

    def _base(self) -> str:
        if self.addresses[0].socket:
            return f"consul+unix://{self.addresses[0].socket}"
        return f"consul{'+https' if self.tls else ''}://{','.join(map(str, self.addresses))}"


def configure(url: str, environ: Mapping[str, str]) -> Config:
    """What `url` and `environ` mean together. Raises BadConfiguration, which names the option or variable at fault."""
    parts = split_url(url)
    options = _Options(redact(url), dict(parts.query), environ)
    options.check_names(parts)
    place = _place(parts, options)
    return Config(
        addresses=place.addresses,
        tls=_tls(options) if options.flag("tls", "CONSUL_HTTP_SSL", place.tls) else None,
        datacenters=options.names("dc"),
        namespace=options.text("ns", "CONSUL_NAMESPACE"),
        token=options.text("token", "CONSUL_HTTP_TOKEN", "CONSUL_TOKEN"),
        token_file=_token_file(options),
        auth=place.auth or options.text("", "CONSUL_HTTP_AUTH"),
        reading=_reading(options),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    addresses: tuple[Address, ...]
    tls: bool = False
    auth: str = ""


@dataclass(frozen=True, slots=True)
class _Options:
    """The URL's options with the environment behind them. Empty counts as not set."""

    url: str
    given: Mapping[str, str]
    environ: Mapping[str, str]

    def check_names(self, parts: Parts) -> None:
        unknown = sorted(set(self.given) - _KNOWN)
        if unknown:
            raise BadConfiguration(f"{self.url!r}: unknown option {unknown[0]!r}; known: {', '.join(sorted(_KNOWN))}")
        if len(self.given) < len(parts.query):
            raise BadConfiguration(f"{self.url!r}: an option is there twice")

    def text(self, option: str, *variables: str) -> str:
        return self._found(option, *variables)[1]

    def names(self, option: str) -> tuple[str, ...]:
        """A list with commas, without what is there twice."""
        return tuple(dict.fromkeys(name.strip() for name in self.text(option).split(",") if name.strip()))

    def flag(self, option: str, variable: str, default: bool) -> bool:
        return self._parsed(_boolean, option, variable, default)

    def seconds(self, option: str, default: float, maximum: float = float("inf")) -> float:
        def parse(text: str) -> float:
            value = float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else parse_duration(text)
            if not 0 < value <= maximum:
                raise ValueError(f"must be above 0{f' and at most {maximum:.0f}s' if maximum < 1e9 else ''}")
            return value

        return self._parsed(parse, option, "", default)

    def count(self, option: str, default: int, maximum: int) -> int:
        def parse(text: str) -> int:
            if not (text.isascii() and text.isdigit() and 1 <= int(text) <= maximum):
                raise ValueError(f"expected a number from 1 to {maximum}")
            return int(text)

        return self._parsed(parse, option, "", default)

    def _parsed(self, parse: Callable[[str], T], option: str, variable: str, default: T) -> T:
        where, text = self._found(option, variable)
        try:
            return parse(text) if text else default
        except ValueError as error:
            raise BadConfiguration(f"{where}: {text!r}: {error}") from None

    def _found(self, option: str, *variables: str) -> tuple[str, str]:
        """The value, and where it was found."""
        if value := self.given.get(option, "").strip():
            return f"{self.url!r}, option {option!r}", value
        for variable in variables:
            if value := self.environ.get(variable, "").strip():
                return variable, value
        return "", ""


_KNOWN = frozenset(
    {"dc", "ns", "token", "token_file", "tls", "verify", "ca_file", "ca_path", "cert_file", "key_file", "server_name"}
    | {"stale", "max_stale", "wait", "timeout", "queries", "poll"}
)


def _place(parts: Parts, options: _Options) -> _Place:
    """Where the agents are: as the URL says or, where it names none, as CONSUL_HTTP_ADDR does."""
    where = repr(options.url)
    if parts.scheme == "consul+unix":
        return _Place((_unix(parts.authority + parts.path, where),))
    if parts.scheme not in ("consul", "consul+http", "consul+https"):
        raise BadConfiguration(f"{where}: unknown scheme {parts.scheme!r}; known: consul, consul+https, consul+unix")
    tls = parts.scheme == "consul+https"
    if parts.authority or parts.path.strip("/"):
        return _hosts(parts, tls or options.flag("tls", "CONSUL_HTTP_SSL", False), where)
    place = _from_variable(options)
    return replace(place, tls=place.tls or tls)


def _from_variable(options: _Options) -> _Place:
    """CONSUL_HTTP_ADDR: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:///PATH."""
    text = options.text("", "CONSUL_HTTP_ADDR")
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "unix":
        return _Place((_unix(rest, "CONSUL_HTTP_ADDR"),))
    if separator and scheme not in ("http", "https", "tcp"):
        raise BadConfiguration(f"CONSUL_HTTP_ADDR: {text!r}: unknown scheme {scheme!r}; known: http, https, unix")
    parts = split_url(f"consul://{rest if separator else text}")
    return _hosts(parts, scheme == "https" or options.flag("tls", "CONSUL_HTTP_SSL", False), "CONSUL_HTTP_ADDR")


def _hosts(parts: Parts, tls: bool, where: str) -> _Place:
    if parts.path.strip("/"):
        raise BadConfiguration(f"{where}: a path ({parts.path!r}) has no meaning there")
    auth, _, hosts = parts.authority.rpartition("@")
    addresses = tuple(_address(host.strip(), TLS_PORT if tls else PORT, where) for host in hosts.split(","))
    return _Place(tuple(dict.fromkeys(addresses)), tls, unquote(auth))


def _address(text: str, default_port: int, where: str) -> Address:
    if not text:
        text = "127.0.0.1"
    if ":" not in text or text.endswith("]"):
        text = f"{text}:{default_port}"
    try:
        host, port = split_host_port(text)
    except ValueError as error:
        raise BadConfiguration(f"{where}: {error}") from None
    if not host or not port or any(c.isspace() or not c.isprintable() for c in host):
        raise BadConfiguration(f"{where}: {text!r} needs a host and a port above 0")
    return Address(host, port)


def _unix(path: str, where: str) -> Address:
    if not path.startswith("/"):
        raise BadConfiguration(f"{where}: a Unix socket needs its whole path, as in consul+unix:///run/consul.sock")
    return Address("localhost", 0, path)


def _tls(options: _Options) -> TLS:
    tls = TLS(
        ca_file=options.text("ca_file", "CONSUL_CACERT"),
        ca_path=options.text("ca_path", "CONSUL_CAPATH"),
        cert_file=options.text("cert_file", "CONSUL_CLIENT_CERT"),
        key_file=options.text("key_file", "CONSUL_CLIENT_KEY"),
        server_name=options.text("server_name", "CONSUL_TLS_SERVER_NAME"),
        verify=options.flag("verify", "CONSUL_HTTP_SSL_VERIFY", True),
    )
    if bool(tls.cert_file) != bool(tls.key_file):
        raise BadConfiguration(
            f"{options.url!r}: a client certificate needs both files: "
            "cert_file (CONSUL_CLIENT_CERT) and key_file (CONSUL_CLIENT_KEY)"
        )
    return tls


def _token_file(options: _Options) -> str:
    """A token in the URL goes before a file in the environment; otherwise a file goes before a token, as in Consul."""
    if options.given.get("token", "").strip() and not options.given.get("token_file", "").strip():
        return ""
    return options.text("token_file", "CONSUL_HTTP_TOKEN_FILE")


def _reading(options: _Options) -> Reading:
    default = Reading()
    return Reading(
        stale=options.flag("stale", "", default.stale),
        max_stale=options.seconds("max_stale", default.max_stale),
        wait=options.seconds("wait", default.wait, MAX_WAIT),
        timeout=options.seconds("timeout", default.timeout),
        queries=options.count("queries", default.queries, MOST_QUERIES),
        poll=options.seconds("poll", default.poll),
    )


def _boolean(text: str) -> bool:
    """As Go's strconv.ParseBool, which Consul reads its variables with."""
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise ValueError("expected true or false")
