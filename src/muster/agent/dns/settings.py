"""What can be set of DNS. The names are those of Consul's `dns_config`, the defaults Consul's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_ADDRESS = "127.0.0.1:8600"


@dataclass(frozen=True, slots=True)
class Authority:
    """The times in the zone's SOA record, in seconds."""

    refresh: int = 3600
    retry: int = 600
    expire: int = 86400
    min_ttl: int = 0


@dataclass(frozen=True, slots=True)
class DNS:
    """Where questions are answered (`HOST:PORT`, UDP and TCP; port 0 picks one), and how.

    `domain` is what all names end in. TTLs are seconds; `service_ttl` has them by service: by name, or by the beginning
    of names, `web*`, of which the longest counts, down to `*`.

    `only_passing` leaves out instances that are in a warning state, too. `udp_answer_limit`: the most instances in an
    answer by UDP to who does not say by EDNS that it takes more than 512 octets. `a_record_limit`: the most addresses
    in any answer; 0 for all. `enable_truncate`: say in an answer that lacks instances for want of room that it does, so
    that the client asks again by TCP. `enable_additional_node_meta_txt`: add the metadata of nodes.

    `recursors`, IP addresses with or without a port, are asked what is outside `domain`, one after another, each for
    `recursor_timeout` seconds. Without any such questions are refused.
    """

    address: str = DEFAULT_ADDRESS
    domain: str = "consul"
    node_ttl: float = 0.0
    service_ttl: Mapping[str, float] = field(default_factory=dict[str, float])
    only_passing: bool = False
    udp_answer_limit: int = 3
    a_record_limit: int = 0
    enable_truncate: bool = False
    enable_additional_node_meta_txt: bool = True
    soa: Authority = Authority()
    recursors: tuple[str, ...] = ()
    recursor_timeout: float = 2.0

    def ttl_of(self, service: str) -> int:
        """The TTL of what is said of a service."""
        name = service.lower()
        if name in self.service_ttl:
            return int(self.service_ttl[name])
        fitting = [key for key in self.service_ttl if key.endswith("*") and name.startswith(key[:-1])]
        return int(self.service_ttl[max(fitting, key=len)]) if fitting else 0
