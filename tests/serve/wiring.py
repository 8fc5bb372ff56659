"""Connects network namespaces by cables, as standard input says in JSON. Run by namespaces.py, in the first of them."""

from __future__ import annotations

import ctypes
import json
import os
import sys

from pyroute2 import IPRoute

LOOPBACK = 1
WITHOUT_ASKING_OTHERS = 2
"""IFA_F_NODAD: an address of IPv6 may else not be bound for a second, in which others could object to it."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter(pid: int) -> None:
    """os.setns came with Python 3.12."""
    with open(f"/proc/{pid}/ns/net") as namespace:
        if _libc.setns(namespace.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def connect(name: str, here: int, there: int) -> None:
    enter(here)
    with IPRoute() as network:
        network.link("add", ifname=name, kind="veth", peer={"ifname": name, "net_ns_pid": there})


def number(name: str, pid: int, address: str) -> None:
    host, _, prefix = address.partition("/")
    enter(pid)
    with IPRoute() as network:
        (index,) = network.link_lookup(ifname=name)
        network.addr("add", index=index, address=host, prefixlen=int(prefix), flags=WITHOUT_ASKING_OTHERS)
        for each in (index, LOOPBACK):
            network.link("set", index=each, state="up")


def lead(pid: int, gateway: str) -> None:
    enter(pid)
    with IPRoute() as network:
        network.route("add", dst="default", gateway=gateway)


def main() -> None:
    wiring = json.load(sys.stdin)
    pids = wiring["namespaces"]
    for index, ((one, address), (other, others_address)) in enumerate(wiring["links"]):
        connect(f"cable{index}", pids[one], pids[other])
        number(f"cable{index}", pids[one], address)
        number(f"cable{index}", pids[other], others_address)
    for name, gateway in wiring["gateways"].items():
        lead(pids[name], gateway)


main()
