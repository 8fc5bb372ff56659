"""Judges this machine and its environment. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from muster.cli.doctor.finding import Finding, Level

FEW_FILES = 4096
"""Every connection is a descriptor: 1024, a common default, is reached by a client of a few hundred instances."""

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_NO_PROXIES = ("no_grpc_proxy", "no_proxy")


def proxies(environ: Mapping[str, str]) -> Iterator[Finding]:
    """gRPC's C core heeds proxy variables, in lower case, where most Python libraries need to be told."""
    given = next((name for name in _PROXIES if environ.get(name)), None)
    if given is None:
        yield Finding(Level.OK, "proxies", "no proxy variable that gRPC would heed")
        return
    exempt = next((environ[name] for name in _NO_PROXIES if environ.get(name)), "")
    yield Finding(
        Level.WARNING,
        "proxies",
        f"{given} is set: gRPC clients other than muster's would send calls to your instances there"
        + (f", but for {exempt}" if exempt else ""),
        "" if exempt else "set no_proxy for the networks that your services are in, or unset it for services",
    )


def files(soft: int, hard: int) -> Iterator[Finding]:
    """Judges the limits of open files; -1: none."""
    if soft == -1 or soft >= FEW_FILES:
        yield Finding(Level.OK, "open files", f"{'any number' if soft == -1 else soft} at once")
        return
    yield Finding(
        Level.WARNING,
        "open files",
        f"at most {soft} at once, and every connection is one",
        f"ulimit -n {FEW_FILES if hard == -1 else min(FEW_FILES, hard)}, or LimitNOFILE= in its systemd unit",
    )


def versions(python: tuple[int, int, int], libraries: Mapping[str, str]) -> Iterator[Finding]:
    """Tells what runs; only Python can be too old, since installing checks the rest."""
    told = ", ".join(f"{name} {version}" for name, version in libraries.items())
    yield Finding(Level.OK, "versions", f"Python {'.'.join(map(str, python))}, {told}")


def overridden(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What an incident or an afternoon of local work may have left behind."""
    names = sorted(name for name in environ if name.startswith("MUSTER_OVERRIDE"))
    if names:
        yield Finding(
            Level.WARNING,
            "overrides",
            f"{', '.join(names)}: services are called elsewhere than the registry says",
            "unset what is not meant any more",
        )
