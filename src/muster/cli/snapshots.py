"""Snapshots and instances, for people and for programs."""

from __future__ import annotations

from typing import Any

from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known, Pending, Snapshot, Stale, instances_of

COLUMNS = ("instance", "address", "health", "protocol", "version", "weight", "tags", "failing checks")


def row(instance: Instance) -> tuple[str, ...]:
    """What `COLUMNS` name."""
    failing = "; ".join(f"{check.name}: {' '.join(check.output.split())}" for check in instance.failing)
    return (
        instance.id,
        instance.address,
        str(instance.health),
        instance.protocol or "any",
        instance.version,
        str(instance.weight),
        " ".join(instance.tags),
        failing,
    )


def instance_data(instance: Instance) -> dict[str, Any]:
    """An instance as JSON has it. The keys are part of the command line's interface."""
    return {
        "id": instance.id,
        "service": instance.service,
        "address": instance.address,
        "host": instance.host,
        "port": instance.port,
        "protocol": instance.protocol,
        "version": instance.version,
        "tags": list(instance.tags),
        "metadata": dict(instance.metadata),
        "weight": instance.weight,
        "zone": instance.zone,
        "health": str(instance.health),
        "failing": [
            {"check": check.name, "health": str(check.health), "output": check.output} for check in instance.failing
        ],
    }


def state_of(snapshot: Snapshot) -> tuple[str, str]:
    """The snapshot's state in one word, and why it is no better, which is empty for Known and Absent."""
    match snapshot:
        case Pending():
            return "pending", snapshot.why
        case Known():
            return "known", ""
        case Stale():
            return "stale", snapshot.why
        case Absent():
            return "absent", ""


def snapshot_data(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON has it. The keys are part of the command line's interface."""
    state, why = state_of(snapshot)
    data: dict[str, Any] = {"service": snapshot.name, "state": state}
    if why:
        data["why"] = why
    if isinstance(snapshot, Stale):
        data["since"] = snapshot.since
    return data | {"instances": [instance_data(instance) for instance in instances_of(snapshot)]}
