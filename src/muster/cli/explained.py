"""Explanations, for people and for programs."""

from __future__ import annotations

from typing import Any

from muster.balance.explanation import Candidate, Explanation
from muster.cli.snapshots import instance_data

EXPLAINED = ("instance", "address", "called", "health", "connection", "in flight", "why not")


def explained_row(candidate: Candidate, explanation: Explanation) -> tuple[str, ...]:
    """What `EXPLAINED` names. `next` is who a call would go to now."""
    instance = candidate.instance
    chosen = instance.id == explanation.chosen
    return (
        instance.id,
        instance.address,
        "next" if chosen else "yes" if candidate.eligible else "no",
        str(instance.health),
        candidate.connection,
        str(candidate.inflight),
        " ".join(candidate.why_not.split()),
    )


def explanation_data(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON has it. The keys are part of the command line's interface."""
    return {
        "service": explanation.name,
        "picker": explanation.picker,
        "panic": explanation.panic,
        "chosen": explanation.chosen,
        "instances": [_candidate_data(candidate) for candidate in explanation.candidates],
    }


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    return instance_data(candidate.instance) | {
        "eligible": candidate.eligible,
        "why_not": candidate.why_not,
        "connection": candidate.connection,
        "effective_weight": candidate.weight,
        "inflight": candidate.inflight,
        "failures": candidate.failures,
        "ejected_for": candidate.ejected_for,
        "doubtful": candidate.doubtful,
    }
