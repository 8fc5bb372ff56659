"""Services and checks of configuration files: whether they can be registered, and that no two are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from muster.agent.api.answer import Refused
from muster.agent.api.registration import new_check, service_checks, service_row
from muster.agent.catalog.rows import ServiceRow
from muster.model.errors import BadConfiguration
from muster.registry.consul import wire


class Defined(NamedTuple):
    """What one file defines."""

    file: str
    services: Sequence[wire.ServiceRegistration]
    checks: Sequence[wire.CheckRegistration]


def validate(files: Iterable[Defined], refuse_scripts: str) -> None:
    """Raises BadConfiguration for a definition that an agent would refuse, for two of one id, and for a check of a
    service that no file defines. Its text has the file, the name and Consul's own reason. `refuse_scripts`: why no
    programs may be run, empty where they may."""
    defined = tuple(files)
    services = _by_id(defined, refuse_scripts)
    _refuse_twins((check.id or check.name, f"{file.file}: check") for file in defined for check in file.checks)
    for file in defined:
        for check in file.checks:
            _validate_check(check, services, refuse_scripts, file.file)


def _by_id(files: Sequence[Defined], refuse_scripts: str) -> dict[str, ServiceRow]:
    named = ((asked, f"{file.file}: service {asked.name or asked.id!r}") for file in files for asked in file.services)
    rows = [(_valid_service(asked, refuse_scripts, where), where) for asked, where in named]
    _refuse_twins((row.id, where) for row, where in rows)
    return {row.id: row for row, _ in rows}


def _valid_service(asked: wire.ServiceRegistration, refuse_scripts: str, where: str) -> ServiceRow:
    for check in _checks_of(asked):
        _refuse_bare_numbers(check, where)
    try:
        row = service_row(asked, "")
        service_checks(asked, row, refuse_scripts)
    except Refused as refused:
        raise BadConfiguration(f"{where}: {refused}") from None
    return row


def _checks_of(asked: wire.ServiceRegistration) -> Iterator[wire.CheckDefinition]:
    if asked.check is not None:
        yield asked.check
    yield from asked.checks or ()


def _validate_check(
    asked: wire.CheckRegistration, services: dict[str, ServiceRow], refuse_scripts: str, file: str
) -> None:
    where = f"{file}: check {asked.name or asked.id!r}"
    if asked.service_id and asked.service_id not in services:
        raise BadConfiguration(f"{where}: no file defines the service {asked.service_id!r}")
    _refuse_bare_numbers(asked, where)
    try:
        new_check(asked, "", services.get(asked.service_id), refuse_scripts)
    except Refused as refused:
        raise BadConfiguration(f"{where}: {refused}") from None


_DURATIONS = ("interval", "timeout", "ttl", "deregister_critical_service_after")


def _refuse_bare_numbers(check: wire.CheckDefinition, where: str) -> None:
    """In Consul's JSON a number is nanoseconds, which nobody means who writes a file."""
    for name in _DURATIONS:
        if isinstance(value := getattr(check, name), int | float):
            raise BadConfiguration(f"{where}: {name} {value} has no unit: write a duration, such as '{value}s'")


def _refuse_twins(named: Iterable[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for each, where in named:
        if each in first:
            raise BadConfiguration(f"{where}: the id {each!r} is taken: {first[each]}")
        first[each] = where
