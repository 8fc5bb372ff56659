"""The attempt machine: what to do after an attempt has failed.

sent ── ok, or an answer that no retry improves ──────────────> Fail (the outcome is the caller's)
 │
 ├── certainly not processed ──> Send elsewhere at once, whatever the method; Wait where there is no elsewhere
 │
 ├── refused unread ───────────> Send elsewhere, whatever the method, within attempts, deadline and budget
 │
 └── may have been processed ──> idempotent, within attempts, deadline and budget: Send elsewhere, later Wait
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from muster.call.budget import RetryBudget
from muster.call.retry import RetryPolicy
from muster.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Attempts:
    """What happened so far in one call. `deadline` as `deadline.deadline_of` gives it.

    `sent` counts attempts that may have been processed, `resent` those that certainly were not.
    `repeatable`: the request can be sent again, and the caller has seen nothing of an answer yet.
    """

    idempotent: bool = False
    deadline: float | None = None
    sent: int = 0
    resent: int = 0
    repeatable: bool = True

    def after(self, outcome: Outcome) -> Attempts:
        """The state once `outcome` is counted."""
        if outcome.unprocessed:
            return replace(self, resent=self.resent + 1)
        return replace(self, sent=self.sent + 1)


@dataclass(frozen=True, slots=True)
class Send:
    """Send it again at once, to another instance if there is one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Send it again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """The caller gets the outcome. `exhausted`: it would have been tried again, had the budget allowed it."""

    exhausted: bool = False


Decision = Send | Wait | Fail

LEAST = 0.002
"""Seconds that must be left for another attempt. Less is a timer's error: the call's deadline ended the last."""


def decide(
    state: Attempts, outcome: Outcome, policy: RetryPolicy, now: float, rng: Random, *, elsewhere: bool
) -> Decision:
    """What to do after `outcome`, which `state` counts already. `elsewhere`: an instance is left that was not tried."""
    if outcome.ok or not state.repeatable:
        return Fail()
    if outcome.unprocessed:
        allowed = state.resent <= policy.resends
    elif outcome.unread:
        allowed = elsewhere and state.sent < policy.attempts
    else:
        allowed = state.idempotent and _worth_another(outcome, policy) and state.sent < policy.attempts
    if not allowed or (outcome.pushback is not None and outcome.pushback < 0):
        return Fail()
    return _in_time(_pause(state, outcome, policy, rng, elsewhere), state.deadline, now)


def attempt_timeout(state: Attempts, policy: RetryPolicy, left: float | None) -> float | None:
    """Seconds for the next attempt of a call that has `left` (None: no end): less only if others may follow it."""
    limit = policy.attempt_timeout
    if limit is None or not state.idempotent or state.sent + 1 >= policy.attempts:
        return left
    return limit if left is None else min(limit, left)


def _worth_another(outcome: Outcome, policy: RetryPolicy) -> bool:
    """A server that is full says by a pushback alone that it will not always be; a limit of the attempt is ours."""
    match outcome.code:
        case "RESOURCE_EXHAUSTED" if outcome.pushback is not None:
            return True
        case "DEADLINE_EXCEEDED" if policy.attempt_timeout is not None:
            return True
        case code:
            return code in policy.codes


def _pause(state: Attempts, outcome: Outcome, policy: RetryPolicy, rng: Random, elsewhere: bool) -> float:
    """Seconds until the next attempt: none for the first retry, and for a resend while somebody was not asked yet."""
    if outcome.pushback is not None:
        return outcome.pushback
    retry = state.resent if outcome.unprocessed else state.sent
    at_once = elsewhere and (outcome.unprocessed or retry == 1)
    return 0.0 if at_once else policy.pause(retry, rng)


def _in_time(pause: float, deadline: float | None, now: float) -> Decision:
    if deadline is not None and now + pause + LEAST > deadline:
        return Fail()
    return Wait(pause) if pause > 0 else Send()


class Retrier:
    """The machine with its policy, budget and dice: what the adapters of all transports drive."""

    def __init__(self, policy: RetryPolicy, budget: RetryBudget, rng: Random) -> None:
        self.policy = policy
        self.budget = budget
        self._rng = rng

    def decide(self, state: Attempts, outcome: Outcome, now: float, *, elsewhere: bool) -> Decision:
        """As the function `decide`; a retry of what may have been processed is charged to the budget."""
        decision = decide(state, outcome, self.policy, now, self._rng, elsewhere=elsewhere)
        charged = not isinstance(decision, Fail) and not outcome.unprocessed
        if charged and not self.budget.withdraw(now):
            return Fail(exhausted=True)
        return decision
