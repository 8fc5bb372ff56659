"""Every key that Consul knows in a configuration file: what it means here, or that it means nothing to one node.

Source: https://developer.hashicorp.com/consul/docs/agent/config/config-files, of Consul 1.8 and of newer ones.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from muster.registry.consul import wire

Port = Annotated[int, Meta(ge=-1, le=65535)]
"""-1 is "none", as Consul has it."""

Count = Annotated[int, Meta(ge=1)]
Amount = Annotated[int, Meta(ge=0, lt=2**31)]
Duration = str | float
"""Go's (`10s`, `1m30s`), or a number of seconds."""


class Addresses(Struct, frozen=True, kw_only=True):
    """Where single interfaces listen, where that is not `client_addr`."""

    http: str | None = None
    dns: str | None = None


class Ports(Struct, frozen=True, kw_only=True):
    http: Port | None = None
    dns: Port | None = None


class LimitKeys(Struct, frozen=True, kw_only=True):
    """`muster.agent.settings.Limits`, as far as a file gives them."""

    http_max_conns_per_client: Count | None = None
    http_max_conns: Count | None = None
    http_max_head_bytes: Count | None = None
    http_head_timeout: Duration | None = None
    http_max_body_bytes: Count | None = None
    http_body_timeout: Duration | None = None
    http_idle_timeout: Duration | None = None
    max_blocked_queries: Count | None = None
    kv_max_value_size: Count | None = None


class SOAKeys(Struct, frozen=True, kw_only=True):
    """`muster.agent.dns.settings.Authority`."""

    refresh: Amount = 3600
    retry: Amount = 600
    expire: Amount = 86400
    min_ttl: Amount = 0


class DNSKeys(Struct, frozen=True, kw_only=True):
    """`muster.agent.dns.DNS`, as far as a file gives it."""

    node_ttl: Duration | None = None
    service_ttl: dict[str, Duration] | None = None
    only_passing: bool | None = None
    udp_answer_limit: Amount | None = None
    a_record_limit: Amount | None = None
    enable_truncate: bool | None = None
    enable_additional_node_meta_txt: bool | None = None
    soa: SOAKeys | None = None
    recursor_timeout: Duration | None = None


class ConfigFile(Struct, frozen=True, kw_only=True):
    """What a file may say. `service` and `check` are further lists, of one each as a rule."""

    node_name: str | None = None
    node_id: str | None = None
    node_meta: dict[str, str] = {}
    datacenter: str | None = None
    bind_addr: str | None = None
    advertise_addr: str | None = None
    client_addr: str | None = None
    addresses: Addresses = Addresses()
    ports: Ports = Ports()
    dns_config: DNSKeys = DNSKeys()
    domain: str | None = None
    recursors: list[str] = []
    data_dir: str | None = None
    log_level: str | None = None
    enable_script_checks: bool = False
    enable_local_script_checks: bool = False
    limits: LimitKeys = LimitKeys()
    service: list[wire.ServiceRegistration] = []
    services: list[wire.ServiceRegistration] = []
    check: list[wire.CheckRegistration] = []
    checks: list[wire.CheckRegistration] = []


ONE_OR_MORE = frozenset(("service", "services", "check", "checks"))
"""Keys of a file whose value may be one object in place of a list."""

OTHER_NAMES: dict[type[Struct], dict[str, str]] = {
    wire.ServiceCheck: {"id": "check_id", "args": "script_args"},
    wire.CheckRegistration: {"check_id": "id", "args": "script_args"},
}
"""Second names of keys, by the struct that they are in."""

_TLS = """ca_file ca_path cert_file key_file server_name tls tls_cipher_suites tls_min_version
    tls_prefer_server_cipher_suites verify_incoming verify_incoming_https verify_incoming_rpc verify_outgoing
    verify_server_hostname enable_agent_tls_for_checks auto_encrypt"""
_ACCESS = """acl acl_agent_master_token acl_agent_token acl_datacenter acl_default_policy acl_down_policy
    acl_enable_key_list_policy acl_master_token acl_replication_token acl_token acl_ttl audit auto_config
    default_intention_policy enable_acl_replication encrypt encrypt_verify_incoming encrypt_verify_outgoing
    license_path"""
_CLUSTER = """advertise_addr_ipv4 advertise_addr_ipv6 advertise_addr_wan advertise_addr_wan_ipv4
    advertise_addr_wan_ipv6 advertise_reconnect_timeout autopilot bootstrap bootstrap_expect cloud disable_keyring_file
    discovery_max_stale gossip_lan gossip_wan leave_on_terminate locality non_voting_server partition peering
    performance primary_datacenter primary_gateways primary_gateways_interval protocol raft_boltdb raft_logstore
    raft_protocol raft_snapshot_interval raft_snapshot_threshold raft_trailing_logs read_replica reconnect_timeout
    reconnect_timeout_wan rejoin_after_leave retry_interval retry_interval_wan retry_join retry_join_wan retry_max
    retry_max_wan rpc segment segments serf_lan serf_lan_allowed_cidrs serf_wan serf_wan_allowed_cidrs server
    skip_leave_on_interrupt start_join start_join_wan translate_wan_addrs use_streaming_backend"""
_OTHER = """alt_domain auto_reload_config cache check_output_max_size check_update_interval config_entries connect
    default_query_time disable_anonymous_signature disable_coordinates disable_host_node_id
    disable_http_unprintable_char_filter disable_remote_exec disable_update_check discard_check_output
    enable_central_service_config enable_debug enable_syslog experiments
    http_config log_file log_json log_rotate_bytes log_rotate_duration log_rotate_max_files max_query_time pid_file
    reporting session_ttl_min syslog_facility telemetry ui ui_config ui_content_path ui_dir unix_sockets
    watches xds"""

_LIMITS = """https_handshake_timeout request_limits rpc_handshake_timeout rpc_max_burst rpc_max_conns_per_client
    rpc_rate txn_max_req_len"""
_DNS = """allow_stale max_stale disable_compression use_cache cache_max_age prefer_namespace recursor_strategy"""
_PORTS = """https grpc grpc_tls server serf_lan serf_wan sidecar_min_port sidecar_max_port expose_min_port
    expose_max_port"""

IGNORED: dict[type[Struct], frozenset[str]] = {
    ConfigFile: frozenset(f"{_TLS} {_ACCESS} {_CLUSTER} {_OTHER}".split()),
    Addresses: frozenset(("https", "grpc", "grpc_tls")),
    Ports: frozenset(_PORTS.split()),
    DNSKeys: frozenset(_DNS.split()),
    LimitKeys: frozenset(_LIMITS.split()),
    wire.ServiceRegistration: frozenset(("locality", "namespace", "partition", "socket_path")),
    wire.CheckRegistration: frozenset(("namespace", "partition")),
}
"""Keys of Consul's that are read and left alone, by the struct that they would be in."""
