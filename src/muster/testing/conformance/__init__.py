"""The rules that every registry keeps, one function a rule: for muster's backends, and for yours.

    from muster.testing.conformance import RULES

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    async def test_conformance(rule):
        await rule(lambda: MyRegistry(...))     # each call opens the same registry anew

A rule raises AssertionError where it is broken. It uses names of its own and removes what it registered, so that it
may run against a registry that others use. The longest takes two seconds, since time to live is real.
"""

from __future__ import annotations

from muster.testing.conformance import again, health, readers, refusals, seen
from muster.testing.conformance.subject import Open, ReadWrite, Rule, instance, registered

__all__ = ["RULES", "Open", "ReadWrite", "Rule", "instance", "registered"]

RULES: tuple[Rule, ...] = (
    seen.nobody_is_absent,
    seen.a_registration_is_seen_whole,
    seen.a_deregistration_is_seen,
    seen.another_object_sees_it,
    seen.every_watcher_is_told,
    seen.instances_come_in_a_stable_order,
    seen.neighbours_do_not_matter,
    seen.ipv6_addresses_are_kept,
    seen.any_text_is_kept,
    seen.every_kind_of_check_is_taken,
    seen.names_are_told,
    health.reported_health_is_seen,
    health.the_worst_check_counts,
    health.silence_becomes_critical,
    health.beats_keep_it_passing,
    again.registering_again_changes_nothing,
    again.registering_again_replaces,
    again.registering_again_revives,
    readers.a_slow_reader_sees_the_newest,
    readers.a_watch_can_be_cancelled,
    readers.a_watch_can_be_closed,
    refusals.an_id_belongs_to_one_service,
    refusals.deregistering_the_unknown_is_fine,
    refusals.beating_the_unknown_is_told,
    refusals.what_cannot_be_registered_is_rejected,
    refusals.watching_no_name_is_rejected,
)
