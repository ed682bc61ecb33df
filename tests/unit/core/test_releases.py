"""Whole releases in the model: what the table, the moves and the rooms give together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from world import World, template

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Container, Pod, Role
from sluice.core.plan import PatchDeployment
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.templates import template_hash


def adopted(**changes: object) -> World:
    world = World(**changes)  # type: ignore[arg-type]
    world.settle()
    assert world.phase == "Healthy"
    return world


def measured(**changes: object) -> Policy:
    metric = Metric("errors", "q", maximum=0.01)
    analysis = Analysis(interval_seconds=5.0, metrics=(metric,), **changes)  # type: ignore[arg-type]
    return Policy("web", steps=(Step(10, 10.0), Step(50, 10.0)), analysis=analysis)


def test_a_deployment_is_adopted_without_moving_a_pod() -> None:
    world = adopted()
    assert world.d.paused
    assert world.d.progress_deadline_seconds == keys.ENDLESS_DEADLINE_SECONDS
    assert world.d.annotations[keys.FORMER_DEADLINE] == "600"
    assert world.least_serving == 4


def test_a_settled_rollout_plans_nothing() -> None:
    world = adopted()
    before = len(world.actions)
    world.run(30)
    assert len(world.actions) == before


def test_a_good_release_is_promoted_and_never_serves_less_than_it_shall() -> None:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    assert world.phase == "Progressing"
    canary = world.by_image("web:2")
    assert canary is not None
    assert canary.replicas == 1
    world.run(10)
    assert world.by_image("web:2").replicas == 4  # type: ignore[union-attr]
    world.run(15)
    assert world.phase == "Healthy", world.decisions
    assert world.least_serving == 4
    new, old = world.by_image("web:2"), world.by_image("web:1")
    assert new is not None
    assert old is not None
    assert (new.owner_uid, new.role, new.replicas) == (world.d.ref.uid, Role.STABLE, 4)
    assert (old.role, old.replicas) == (Role.RETIRED, 0)
    assert new.revision == 2
    assert [r.template_hash for r in world.records.values() if r.stable_at] == [
        old.template_hash,
        new.template_hash,
    ]


def test_the_template_is_never_written() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(30)
    patches = [a for a in world.actions if isinstance(a, PatchDeployment)]
    assert all(patch.template is None for patch in patches)


def test_a_failed_metric_rolls_back_at_once_and_says_why() -> None:
    world = adopted(policy=measured())
    world.set_image("web:2")
    world.run(6)
    stable = world.by_image("web:1")
    world.values["errors"] = Known(0.05)
    world.run(5)
    assert world.phase == "RolledBack", world.decisions
    assert 'metric "errors" is 0.05, above its maximum 0.01' in world.message
    assert world.by_image("web:2").replicas == 0  # type: ignore[union-attr]
    assert world.by_image("web:1") == stable
    assert world.d.template == template("web:2")


def test_a_rejected_template_is_not_released_again_until_it_changes() -> None:
    world = adopted(policy=measured())
    world.set_image("web:2")
    world.values["errors"] = Known(0.05)
    world.run(10)
    assert world.phase == "RolledBack"
    before = len(world.actions)
    world.edit(replicas=0)
    world.run(5)
    world.edit(replicas=4)
    world.run(20)
    assert world.phase == "RolledBack"
    assert world.actions[before:] == []
    assert world.by_image("web:1").replicas == 4  # type: ignore[union-attr]
    world.set_image("web:1")
    world.settle()
    assert world.phase == "Healthy"
    world.values["errors"] = Known(0.0)
    world.set_image("web:3")
    world.settle()
    assert world.phase == "Progressing"


def test_a_failure_limit_accepts_so_many_readings_in_a_row() -> None:
    policy = measured()
    metric = replace(policy.analysis.metrics[0], failure_limit=2)
    policy = replace(policy, analysis=replace(policy.analysis, metrics=(metric,)))
    world = adopted(policy=policy)
    world.set_image("web:2")
    world.values["errors"] = Known(0.05)
    world.run(9)
    assert world.phase == "Progressing"
    world.values["errors"] = Known(0.0)
    world.run(5)
    world.values["errors"] = Known(0.05)
    world.run(10)
    assert world.phase == "Progressing"
    world.run(5)
    assert world.phase == "RolledBack"


def test_unknown_holds_then_pauses_then_goes_on() -> None:
    world = adopted(policy=measured(no_data_after_seconds=20.0))
    world.set_image("web:2")
    world.run(4)
    world.values["errors"] = Unknown(Reason.UNREACHABLE)
    world.run(18)
    assert world.phase == "Progressing"
    assert "unknown (Unreachable)" in world.message
    world.run(20)
    assert world.phase == "Paused"
    assert world.plan.status is not None
    assert world.plan.status.release is not None
    assert world.plan.status.release["step"] == 1
    world.values["errors"] = Known(0.0)
    world.run(40)
    assert world.phase == "Healthy"


@pytest.mark.parametrize(("action", "phase"), [("Rollback", "RolledBack"), ("Continue", "Healthy")])
def test_no_data_does_what_the_rollout_says(action: str, phase: str) -> None:
    policy = measured(no_data_after_seconds=10.0, no_data_action=action)
    world = adopted(policy=policy)
    world.values["errors"] = Unknown(Reason.EMPTY)
    world.set_image("web:2")
    world.run(60)
    assert world.phase == phase, world.decisions


@pytest.mark.parametrize("action", ["Pause", "Rollback", "Continue"])
def test_a_query_that_is_wrong_is_no_outage(action: str) -> None:
    """A mistake in the spec is said at once, and is no verdict on the canary, good or bad."""
    world = adopted(policy=measured(no_data_after_seconds=10.0, no_data_action=action))
    world.values["errors"] = Unknown(Reason.BAD_QUERY, "HTTP 400")
    world.set_image("web:2")
    world.run(1)
    for seconds in (0, 60):
        world.run(seconds)
        ready = world.condition("Ready")
        assert ready is not None
        assert (world.phase, ready.status, ready.reason) == ("Progressing", False, "BadQuery")
        assert 'metric "errors" is unknown (BadQuery: HTTP 400); correct it' in world.message
    assert "holds" in world.message
    world.values["errors"] = Known(0.0)
    world.run(40)
    assert world.phase == "Healthy"


@pytest.mark.parametrize(
    ("action", "phase"),
    [("Pause", "Paused"), ("Rollback", "RolledBack"), ("Continue", "Progressing")],
)
def test_a_query_that_is_wrong_hides_no_outage_and_lets_none_pass(action: str, phase: str) -> None:
    two = (Metric("errors", "q", maximum=0.01), Metric("queue", "typo(", maximum=1))
    policy = measured(no_data_after_seconds=10.0, no_data_action=action)
    world = adopted(policy=replace(policy, analysis=replace(policy.analysis, metrics=two)))
    world.values["queue"] = Unknown(Reason.BAD_QUERY)
    world.set_image("web:2")
    world.run(30)
    assert world.phase == "Progressing"
    world.values["errors"] = Unknown(Reason.REFUSED)
    world.run(8)
    assert world.phase == "Progressing", "not since the query has been wrong"
    world.run(30)
    assert world.phase == phase, world.message


def test_promote_goes_past_a_query_that_is_wrong() -> None:
    world = adopted(policy=measured())
    world.values["errors"] = Unknown(Reason.BAD_QUERY)
    world.set_image("web:2")
    world.run(20)
    world.command("promote-full")
    world.run(20)
    assert world.phase == "Healthy"


def test_on_failure_pause_waits_for_a_person() -> None:
    world = adopted(policy=measured(on_failure="Pause"))
    world.values["errors"] = Known(0.05)
    world.set_image("web:2")
    world.run(30)
    assert world.phase == "Paused"
    world.values["errors"] = Known(0.0)
    world.run(10)
    assert world.phase == "Paused"
    world.command("promote")
    world.run(40)
    assert world.phase == "Healthy"


def test_a_canary_that_does_not_come_up_is_rolled_back_at_the_deadline() -> None:
    world = adopted(policy=Policy("web", steps=(Step(10),), progress_deadline_seconds=30.0))
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.run(29)
    assert world.phase == "Progressing"
    world.run(2)
    assert world.phase == "RolledBack"
    assert "0 of 1 pods available after 30s (progressDeadline)" in world.message


def test_a_crash_loop_is_rolled_back_long_before_the_deadline() -> None:
    world = adopted()
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.run(3)
    canary = world.by_image("web:2")
    assert canary is not None
    looping = Container("app", 3, "CrashLoopBackOff", "back-off", 1, "Error")
    world.pods = (Pod("web-x-1", canary.pod_hash, containers=(looping,)),)
    world.run(1)
    assert world.phase == "Progressing", "the stable side has not been compared yet"
    assert "aaaa" in world.plan.pods_of
    world.pods = (*world.pods, Pod("web-s-1", "aaaa", "Running", containers=(Container("app"),)))
    world.run(1)
    assert world.phase == "RolledBack"
    assert 'container "app"' in world.message
    assert "Error, exit code 1" in world.message


def test_a_step_waits_for_approval_and_promote_gives_it() -> None:
    world = adopted(policy=Policy("web", steps=(Step(10, 2.0, approval_required=True), Step(50))))
    world.set_image("web:2")
    world.run(10)
    assert world.phase == "Paused"
    world.command("promote")
    world.run(3)
    assert world.phase == "Healthy"
    assert world.plan.status is not None
    assert world.plan.status.last_command is not None
    assert "approved" in world.plan.status.last_command["result"]


def test_a_stale_promote_is_refused() -> None:
    world = adopted(policy=Policy("web", steps=(Step(10, 2.0, approval_required=True), Step(50))))
    world.set_image("web:2")
    world.run(5)
    world.command("promote=2-abcde-1/1")
    world.run(5)
    assert world.phase == "Paused"
    assert world.plan.status is not None
    assert "is over; the release is at" in world.plan.status.last_command["result"]  # type: ignore[index]


def test_abort_rolls_the_canary_back() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.command("abort")
    world.run(1)
    assert world.phase == "RolledBack"
    assert 'command "abort"' in world.message


def test_rollback_goes_back_after_promotion() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(30)
    assert world.phase == "Healthy"
    world.command("rollback")
    world.run(2)
    assert world.phase == "RolledBack", world.decisions
    old, new = world.by_image("web:1"), world.by_image("web:2")
    assert old is not None
    assert new is not None
    assert (old.owner_uid, old.role, old.replicas) == (world.d.ref.uid, Role.STABLE, 4)
    assert (new.role, new.replicas) == (Role.REJECTED, 0)
    assert world.least_serving == 4
    assert world.d.template == template("web:2")
    world.run(30)
    assert world.phase == "RolledBack"
    world.set_image("web:1")
    world.settle()
    assert world.phase == "Healthy"


def test_rollback_of_the_first_version_says_that_there_is_none() -> None:
    world = adopted()
    world.command("rollback")
    world.run(1)
    assert world.phase == "Healthy"
    assert world.plan.status is not None
    assert "not in the history" in world.plan.status.last_command["result"]  # type: ignore[index]


def test_a_revert_to_an_earlier_version_takes_no_steps() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(30)
    world.set_image("web:1")
    world.run(1)
    assert world.phase == "Healthy", world.decisions
    assert world.by_image("web:1").replicas == 4  # type: ignore[union-attr]
    assert world.least_serving == 4


def test_a_newer_template_replaces_the_canary() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.set_image("web:3")
    world.run(1)
    assert world.by_image("web:2").replicas == 0  # type: ignore[union-attr]
    assert world.by_image("web:3").role is Role.CANARY  # type: ignore[union-attr]
    world.run(30)
    assert world.phase == "Healthy"
    assert world.by_image("web:2") is None


def test_back_to_the_stable_template_cancels_the_release() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.set_image("web:1")
    world.run(1)
    assert world.phase == "Healthy"
    assert world.by_image("web:2").replicas == 0  # type: ignore[union-attr]


def test_replicas_changed_in_mid_release_are_followed() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(12)
    world.edit(replicas=8)
    world.run(1)
    assert world.by_image("web:2").replicas == 8  # type: ignore[union-attr]
    world.run(30)
    assert world.phase == "Healthy"


@pytest.mark.parametrize("seconds", [0, 3, 12, 22])
def test_a_deleted_rollout_leaves_a_plain_deployment(seconds: float) -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(seconds)
    promoted = world.by_image("web:2") is not None and world.by_image("web:1").replicas == 0  # type: ignore[union-attr]
    world.delete_rollout()
    world.settle()
    assert world.rollout is None
    assert world.anchor is None
    assert not world.records
    assert not world.d.paused
    assert world.d.progress_deadline_seconds == 600
    assert not [key for key in (*world.d.labels, *world.d.annotations) if "sluice" in key]
    assert world.d.template == template("web:2" if promoted else "web:1")
    for rs in world.replica_sets.values():
        assert rs.owner_uid == world.d.ref.uid
        assert not [key for key in (*rs.labels, *rs.annotations) if "sluice" in key]
    assert world.least_serving >= 4


def test_a_lost_stable_replica_set_is_made_again_from_its_record() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    del world.replica_sets["web-aaaa"]
    world.run(1)
    again = world.replica_sets["web-aaaa"]
    assert (again.owner_uid, again.role, again.replicas) == (world.d.ref.uid, Role.STABLE, 4)
    world.run(30)
    assert world.phase == "Healthy"


def test_the_name_of_an_orphaning_replica_set_is_awaited() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    leaving = world.replica_sets["web-aaaa"]
    world.replica_sets["web-aaaa"] = replace(leaving, deleting=True, orphaning=True)
    world.one_pass()
    assert not world.plan.actions
    assert world.plan.again_at == world.now + timedelta(milliseconds=250)
    del world.replica_sets["web-aaaa"]
    world.run(1)
    assert world.replica_sets["web-aaaa"].pod_hash == "aaaa"


def test_a_deployment_that_is_unpaused_is_paused_again() -> None:
    world = adopted()
    world.edit(paused=False)
    world.run(1)
    assert world.d.paused


def test_a_missing_deployment_is_told() -> None:
    world = World()
    world.deployment = None
    world.replica_sets.clear()
    world.one_pass()
    assert world.phase == "Stalled"
    assert "Deployment web does not exist" in world.message


def test_a_deployment_in_mid_roll_is_awaited() -> None:
    world = World()
    world.deployment = replace(world.d, updated_replicas=2)
    world.settle()
    assert world.phase == "Progressing"
    assert "2 of 4 pods updated" in world.message
    assert not world.d.paused


def test_paused_starts_no_release() -> None:
    world = adopted(policy=Policy("web", paused=True))
    world.set_image("web:2")
    world.run(10)
    assert world.phase == "Paused"
    assert world.by_image("web:2") is None


def test_kills_between_any_two_writes_change_nothing_in_the_end() -> None:
    """The state is in the objects: a world that forgets all else after each write ends the same."""
    world = adopted()
    world.set_image("web:2")
    for _ in range(200):
        world.now += timedelta(seconds=0.2)
        plan = decide(world.observed())
        for action in plan.actions[:1]:
            world.apply(action)
            world.controllers()
    world.settle()
    assert world.phase == "Healthy"
    assert world.by_image("web:2").template_hash == template_hash(template("web:2"))  # type: ignore[union-attr]
    assert world.least_serving == 4
