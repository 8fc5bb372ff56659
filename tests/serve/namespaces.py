"""Network namespaces of Linux: machines with interfaces of their own, as far as addresses go.

Needs unshare and nsenter, which every Debian has, and the right to make namespaces: root's with CAP_SYS_ADMIN, or
anybody's where the kernel lets users have namespaces of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

WIRING = Path(__file__).with_name("wiring.py")
SECONDS = 60.0
CAP_SYS_ADMIN = 1 << 21

Link = tuple[tuple[str, str], tuple[str, str]]
"""A cable: at both ends a namespace's name and an address with its prefix."""


def refused() -> str:
    """Why this process cannot make a namespace; empty if it can."""
    done = subprocess.run([*_unshare(), "true"], capture_output=True, text=True)
    return done.stderr.strip()


def expected() -> bool:
    """Whether a process with these rights must be able to: others depend on what their kernel or container allows."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return bool(int(status["CapEff"], 16) & CAP_SYS_ADMIN)


def _is_root() -> bool:
    return os.geteuid() == 0


def _unshare() -> list[str]:
    return ["unshare", "--net", *([] if _is_root() else ["--user", "--map-root-user"])]


class Namespaces:
    """Some namespaces, connected by cables. Each is held by a process, and gone with it when the context ends."""

    def __init__(self, names: Iterable[str], links: Sequence[Link], gateways: dict[str, str]) -> None:
        """`gateways`: the default routes, by namespace."""
        self._names = tuple(names)
        self._links = links
        self._gateways = gateways
        self._holders: dict[str, int] = {}
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with self._ending:
            for name in self._names:
                self._hold(name)
            wiring = {"namespaces": self._holders, "links": self._links, "gateways": self._gateways}
            done = subprocess.run(
                self.within(self._names[0], sys.executable, str(WIRING)),
                input=json.dumps(wiring),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            self._ending = self._ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def within(self, name: str, *command: str) -> list[str]:
        """The command that runs `command` in a namespace."""
        user = [] if _is_root() else ["--user", "--preserve-credentials"]
        return ["nsenter", "--net", *user, "--target", str(self._holders[name]), *command]

    def _hold(self, name: str) -> None:
        """All are of the first one's user, who may connect them."""
        command = _unshare() if not self._holders or _is_root() else self.within(self._names[0], "unshare", "--net")
        holder = subprocess.Popen([*command, "sleep", "infinity"])
        self._ending.callback(_end, holder)
        _until_it_sleeps(holder)
        self._holders[name] = holder.pid


def _until_it_sleeps(holder: subprocess.Popen[bytes]) -> None:
    """Only then it is where it belongs; it tells nothing of itself."""
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{holder.pid}/comm").read_text().strip() != "sleep":
        assert holder.poll() is None and time.monotonic() < end, "a namespace cannot be made"
        time.sleep(0.005)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(SECONDS)
