"""What can be set of an agent, and what of that is in force while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from muster.agent.checks.definition import DEFINED_SCRIPTS_DISABLED, SCRIPTS_DISABLED
from muster.agent.dns.settings import DNS
from muster.registry.consul import wire

DEFAULT_HTTP = "127.0.0.1:8500"
DEFAULT_DATACENTER = "dc1"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the agent takes from its clients: no crowd, giant or sloth among them holds up the others.

    The names are those of a configuration file's `limits`, where Consul has the limit under Consul's own name. Sizes
    are bytes, times seconds. What becomes of a client beyond a limit:

    `http_max_conns_per_client`: connections at once from one address; 429. `http_max_conns`: in all; 503.
    `http_max_head_bytes`: request line and headers; 431. Consul takes 1 MiB too.
    `http_head_timeout`: from the connection, or the first byte of a further request, to the end of the headers; the
    connection is closed. `http_body_timeout`: from there to the end of the body; 408.
    `http_idle_timeout`: between requests; closed. Consul closes no idle connection; heartbeats must find theirs open.
    `http_max_body_bytes`: 413. `kv_max_value_size`: of one key; 413. `max_blocked_queries`: that wait at once; 503.
    """

    http_max_conns_per_client: int = 200
    http_max_conns: int = 10_000
    http_max_head_bytes: int = 1 << 20
    http_head_timeout: float = 10.0
    http_max_body_bytes: int = 4 << 20
    http_body_timeout: float = 60.0
    http_idle_timeout: float = 600.0
    max_blocked_queries: int = 50_000
    kv_max_value_size: int = 512 << 10


@dataclass(frozen=True, slots=True)
class Settings:
    """One agent as its user wants it.

    `dns` is where DNS is answered, and maybe how, None for nowhere.
    `node` is the node's name, None for the machine's; `node_id` a UUID, None for a new one; `address` what the node
    gives as its address, None for the one that it listens on. `enable_script_checks`: checks may run programs, whoever
    registers them; `enable_local_script_checks`: those of configuration files may. `services` and `checks` are
    registered when the agent begins. `log_level` is for the program around the agent: the library configures no
    logging.
    """

    http: str = DEFAULT_HTTP
    dns: str | DNS | None = None
    node: str | None = None
    node_id: str | None = None
    node_meta: Mapping[str, str] = field(default_factory=dict[str, str])
    address: str | None = None
    datacenter: str = DEFAULT_DATACENTER
    data_dir: str | os.PathLike[str] | None = None
    log_level: str | None = None
    limits: Limits = Limits()
    enable_script_checks: bool = False
    enable_local_script_checks: bool = False
    services: tuple[wire.ServiceRegistration, ...] = ()
    checks: tuple[wire.CheckRegistration, ...] = ()

    @property
    def refuse_scripts(self) -> str:
        """Why a client's check may run no program, empty where it may."""
        return "" if self.enable_script_checks else SCRIPTS_DISABLED

    @property
    def refuse_defined_scripts(self) -> str:
        """The same for the checks of a configuration file."""
        enabled = self.enable_script_checks or self.enable_local_script_checks
        return "" if enabled else DEFINED_SCRIPTS_DISABLED


FIXED = ("http", "dns", "node", "node_id", "node_meta", "address", "datacenter", "data_dir")
"""The settings that a running agent keeps whatever it reads anew."""


def _nothing_to_read() -> None:
    """An agent that was told by arguments what to be has no configuration to read again, which is no failure."""


def _nobody_to_end_it() -> None:
    """An agent that nobody waits for stays."""


class InForce:
    """What may change while an agent runs: the limits, and why no programs may be run as checks (empty where they may);
    how to have its configuration read again, and how to say that it is to end; and the port of DNS, -1 for none, known
    once that is there.

    `reload` blocks while it reads files. It raises BadConfiguration, and then everything stays as it was.
    """

    __slots__ = ("dns_port", "leave", "limits", "refuse_scripts", "reload")

    def __init__(
        self,
        limits: Limits | None = None,
        reload: Callable[[], None] = _nothing_to_read,
        leave: Callable[[], None] = _nobody_to_end_it,
    ) -> None:
        self.limits = limits or Limits()
        self.refuse_scripts = SCRIPTS_DISABLED
        self.dns_port = -1
        self.reload = reload
        self.leave = leave
