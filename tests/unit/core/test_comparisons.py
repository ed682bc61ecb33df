"""Whole releases whose canary is compared with the stable version."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from world import World

from sluice.core import keys
from sluice.core.objects import Role
from sluice.core.plan import Action, PatchReplicaSet
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Reason, Unknown

SELECTORS = ('requests_total{code=~"5.."}', "requests_total")
ERRORS = Metric("errors", counters=SELECTORS)
STEPS = (Step(20, 20.0), Step(50, 20.0))


def compared(*metrics: Metric, steps: tuple[Step, ...] = STEPS, **changes: Any) -> Policy:
    analysis = Analysis(interval_seconds=5.0, metrics=metrics or (ERRORS,), **changes)
    return Policy("web", steps=steps, analysis=analysis)


def releasing(policy: Policy | None = None, **changes: Any) -> World:
    """web:2 is on its way; 1 % of all requests are bad on either side."""
    ratios = {"web:1": 0.01, "web:2": 0.01, **changes.pop("bad_ratios", {})}
    world = World(policy=policy or compared(), bad_ratios=ratios, **changes)
    world.settle()
    world.set_image("web:2")
    world.settle()
    return world


def metric(world: World, name: str = "errors") -> dict[str, Any]:
    assert world.plan.status is not None
    assert world.plan.status.release is not None
    return next(m for m in world.plan.status.release["metrics"] if m["name"] == name)


def kept(world: World) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(world.of("web:2").annotations[keys.RELEASE_DATA])
    return body


def written(actions: list[Action]) -> list[dict[str, str | None]]:
    """What was written on the canary."""
    patches = [action for action in actions if isinstance(action, PatchReplicaSet)]
    return [dict(patch.annotations) for patch in patches]


# --- verdicts


def test_a_canary_as_good_as_the_stable_version_is_promoted() -> None:
    world = releasing()
    world.run(12)
    assert metric(world)["verdict"] == "Pass"
    assert (metric(world)["canary"], metric(world)["stable"]) == ("0.01", "0.01")
    assert 0 <= float(metric(world)["evidence"]) < 1
    assert "would have been seen by now" in metric(world)["message"]
    world.run(60)
    assert world.phase == "Healthy", world.message
    assert world.of("web:2").role is Role.STABLE


def test_a_worse_canary_is_rolled_back_within_intervals_and_it_is_said_why() -> None:
    world = releasing(bad_ratios={"web:2": 0.2})
    world.run(20)
    assert world.phase == "RolledBack"
    assert 'metric "errors": ' in world.message
    assert "worse, with confidence 0.99 at step 1 of 2 (20%)" in world.message


def test_an_incident_of_both_sides_is_no_failure() -> None:
    world = releasing()
    world.run(10)
    world.bad_ratios = {"web:1": 0.4, "web:2": 0.4}
    world.run(10)
    world.bad_ratios = {}
    world.run(60)
    assert world.phase == "Healthy", world.message


def test_an_incident_of_both_sides_is_a_failure_above_the_maximum() -> None:
    world = releasing(compared(replace(ERRORS, maximum=0.05)))
    world.run(10)
    world.bad_ratios = {"web:1": 0.4, "web:2": 0.4}
    while world.phase == "Progressing":
        world.run(0.5)
    assert world.phase == "RolledBack"
    assert "above its max 0.05, with confidence 0.99" in world.message


def test_a_tolerance_accepts_so_many_times_the_stable_ratio() -> None:
    for tolerance, phase in ((1.0, "RolledBack"), (10.0, "Healthy")):
        metric = replace(ERRORS, tolerance=tolerance)
        world = releasing(compared(metric), bad_ratios={"web:2": 0.08})
        world.run(80)
        assert world.phase == phase


def test_the_worst_metric_is_blamed_and_any_more_of_them_ask_for_more() -> None:
    """The mean of all e-values decides: two that see nothing cost time, not the verdict."""
    others = tuple(Metric(name, counters=SELECTORS, tolerance=50.0) for name in ("a", "z"))
    took = []
    for metrics in ((ERRORS,), (others[0], ERRORS, others[1])):
        world = releasing(compared(*metrics), bad_ratios={"web:2": 0.05})
        while world.phase == "Progressing":
            world.run(0.5)
        assert world.phase == "RolledBack"
        assert 'metric "errors": ' in world.message
        took.append(world.now)
    assert took[0] <= took[1]


def test_on_failure_pause_holds_and_what_was_gone_past_is_found_again_in_the_next_step() -> None:
    """The evidence is of the whole release."""
    world = releasing(compared(on_failure="Pause"), bad_ratios={"web:2": 0.2})
    world.run(20)
    assert world.phase == "Paused"
    assert metric(world)["verdict"] == "Fail"
    world.command("promote")
    world.run(20)
    assert world.phase == "Paused"
    assert "at step 2 of 2" in world.message
    world.command("promote-full")
    world.run(20)
    assert world.phase == "Healthy"


def test_a_weight_above_50_is_compared_with_the_few_that_are_left() -> None:
    """The canary is the Deployment's there, and the stable version has a pod or two."""
    steps = (Step(50, 10.0), Step(80, 60.0))
    world = releasing(compared(steps=steps))
    world.run(25)
    situation = world.situation()
    assert situation.tried
    world.run(5)
    assert metric(world)["verdict"] == "Pass"
    world.bad_ratios["web:2"] = 0.5
    while world.phase == "Progressing":
        world.run(0.5)
    assert world.of("web:2").role is Role.REJECTED
    world.run(20)
    assert world.phase == "RolledBack"
    assert world.least_serving >= 4 - 1


def test_a_scale_out_in_mid_canary_does_not_disturb_the_verdict() -> None:
    world = releasing(bad_ratios={"web:1": 0.02, "web:2": 0.02})
    world.run(10)
    world.edit(replicas=12)
    world.run(120)
    assert world.phase == "Healthy", world.message
    assert not [d for d in world.decisions if d.warning]


# --- what is not known


def test_unknown_holds_and_what_was_missed_is_caught_up_with() -> None:
    world = releasing()
    world.run(12)
    world.values["errors"] = Unknown(Reason.UNREACHABLE)
    world.run(15)
    assert metric(world)["verdict"] == "Unknown"
    assert "unknown (Unreachable)" in world.message
    assert kept(world)["unknownSince"]
    world.bad_ratios["web:2"] = 0.3
    world.run(10)
    assert world.phase == "Progressing", "nobody knows"
    del world.values["errors"]
    world.run(6)
    assert world.phase == "RolledBack", "seen as soon as the range is read, two intervals at once"


def test_no_data_pauses_and_goes_on_by_itself() -> None:
    world = releasing(compared(no_data_after_seconds=30.0))
    world.values["errors"] = Unknown(Reason.TIMEOUT)
    world.run(60)
    assert world.phase == "Paused"
    assert "(noData.after)" in world.message
    del world.values["errors"]
    world.run(80)
    assert world.phase == "Healthy"


@pytest.mark.parametrize("reason", Reason)
def test_no_reason_of_being_unknown_ever_passes_a_step(reason: Reason) -> None:
    world = releasing(compared(min_requests=0))
    world.values["errors"] = Unknown(reason)
    world.run(100)
    assert world.phase == "Progressing"
    assert world.situation().step_number == 1


def test_a_canary_that_reports_nothing_never_passes_though_low_traffic_may() -> None:
    policy = compared(
        no_data_after_seconds=600.0, low_traffic_after_seconds=20.0, low_traffic_action="Continue"
    )
    world = releasing(policy)
    for _ in range(200):
        world.run(0.5)
        world.source.pods = {
            pod: scrapes for pod, scrapes in world.source.pods.items() if "aaaa" in pod
        }
    assert world.phase == "Progressing"
    assert "no series of the canary's pods" in world.message


# --- few requests


def test_too_few_requests_wait_and_are_no_unknown() -> None:
    world = releasing(per_second=1.0)
    world.run(40)
    assert world.phase == "Progressing"
    assert world.condition("Reconciling").reason == "LowTraffic"  # type: ignore[union-attr]
    assert "of 100 requests in this step (minRequests)" in world.message
    assert "Pause at 12:30:00 UTC" in world.message
    assert "verdict" not in metric(world)
    assert "unknownSince" not in kept(world)
    world.per_second = 500.0
    world.run(8)
    assert world.situation().step_number == 2


def test_each_step_needs_its_own_requests() -> None:
    world = releasing(compared(min_requests=200))
    while world.situation().step_number == 1:
        world.run(0.5)
    world.per_second = 1.0
    world.run(60)
    assert world.situation().step_number == 2
    assert world.condition("Reconciling").reason == "LowTraffic"  # type: ignore[union-attr]


def low(action: str, **changes: Any) -> World:
    policy = compared(low_traffic_after_seconds=60.0, low_traffic_action=action, **changes)
    return releasing(policy, per_second=1.0)


def test_low_traffic_pauses_after_its_time() -> None:
    world = low("Pause")
    world.run(58)
    assert world.phase == "Progressing"
    world.run(4)
    assert world.phase == "Paused"
    assert world.condition("Paused").reason == "LowTrafficHeld"  # type: ignore[union-attr]
    assert "for more than 1m (lowTraffic.after)" in world.message
    world.run(300)
    assert (world.phase, world.situation().step_number) == ("Paused", 1)


def test_low_traffic_goes_on_by_itself_when_there_are_enough_requests() -> None:
    world = low("Pause")
    world.run(65)
    world.per_second = 500.0
    world.run(8)
    assert world.situation().step_number == 2


def test_promote_goes_past_low_traffic_for_this_step_alone() -> None:
    world = low("Pause")
    world.run(65)
    world.command("promote")
    world.run(2)
    assert world.situation().step_number == 2
    assert [20, "LowTrafficHeld"] in kept(world)["overrides"]
    world.run(100)
    assert (world.phase, world.situation().step_number) == ("Paused", 2)
    world.command("promote")
    world.run(5)
    assert world.phase == "Healthy"


def test_low_traffic_continues_where_that_is_wanted() -> None:
    world = low("Continue")
    world.run(55)
    assert world.situation().step_number == 1
    world.run(10)
    assert world.situation().step_number == 2


def test_approval_is_asked_for_after_low_traffic_and_is_not_given_by_going_past_it() -> None:
    steps = (Step(20, 20.0, approval_required=True), Step(50))
    world = low("Pause", steps=steps)
    world.run(65)
    world.command("promote")
    world.run(2)
    assert world.condition("Paused").reason == "Approval"  # type: ignore[union-attr]


def test_low_traffic_does_not_hide_a_bad_canary() -> None:
    world = releasing(per_second=4.0, bad_ratios={"web:2": 1.0})
    world.run(60)
    assert world.phase == "RolledBack", world.message


# --- what is written


def test_evidence_is_kept_every_30_seconds_and_nothing_else_is_written() -> None:
    world = releasing(compared(steps=(Step(20, 600.0), Step(50))))
    world.run(10)
    before = len(world.actions)
    world.run(300)
    patches = written(world.actions[before:])
    assert all(set(patch) == {keys.RELEASE_DATA} for patch in patches)
    assert len(world.actions) - before == len(patches) == 10
    kept = [json.loads(patch[keys.RELEASE_DATA] or "")["evidence"]["errors"] for patch in patches]
    assert [later["at"] - former["at"] for former, later in pairwise(kept)] == [6] * 9


def test_an_operator_that_dies_at_any_tick_finds_the_same() -> None:
    def ends(die_at: int | None) -> tuple[list[str], str]:
        world = releasing(bad_ratios={"web:1": 0.02, "web:2": 0.06})
        for half in range(400):
            if half == die_at:
                world.restart_operator()
            world.run(0.5)
            if world.phase == "RolledBack":
                break
        return [f"{world.now:%T}"], world.message

    alone = ends(None)
    assert "worse, with confidence" in alone[1]
    for die_at in range(3, 40):
        assert ends(die_at) == alone
