"""Scaling beside a release: whose turn it is, what is asked, and what is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from world import World

from sluice.core.objects import Deployment, Pod
from sluice.core.plan import ScaleDeployment
from sluice.core.policy import Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.scaling.policy import (
    Behavior,
    Direction,
    Mode,
    PolicyKind,
    RateLimit,
    Scaling,
    ScalingMetric,
    TargetKind,
)
from sluice.core.situation import State

AT_ONCE = Direction((RateLimit(PolicyKind.PERCENT, 1000, 1),), 0)
ALL_AT_ONCE = Direction((RateLimit(PolicyKind.PERCENT, 100, 1),), 0)
INTERVAL_SECONDS = 5.0


def scaling(kind: TargetKind = TargetKind.AVERAGE_VALUE, **changes: object) -> Scaling:
    metric = ScalingMetric("load", 'sum(load{pod=~"{{pods}}"})', kind, 1000)
    found = Scaling(
        1, 20, (metric,), interval_seconds=INTERVAL_SECONDS, behavior=Behavior(AT_ONCE, ALL_AT_ONCE)
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def scaled_world(
    load: float, steps: tuple[Step, ...] = (Step(50, 60.0),), **changes: object
) -> World:
    """Four replicas, adopted, and that many wanted by the metric."""
    world = World(policy=Policy("web", steps=steps, scaling=scaling(**changes)))  # type: ignore[arg-type]
    world.values["load"] = Known(load)
    return world


def test_replicas_are_set_to_what_the_metric_asks_for_and_the_decision_says_why() -> None:
    world = scaled_world(7)
    world.run(30)
    assert world.d.replicas == 7
    told = [made for made in world.decisions if made.event == "Scaled"]
    assert [(made.what, made.event) for made in told] == [("scaled up", "Scaled")]
    assert told[0].why.startswith("from 4 to 7")
    assert world.phase == "Healthy"
    active = world.condition("ScalingActive")
    assert active is not None
    assert active.status


def test_only_the_replicas_are_written_and_only_once() -> None:
    world = scaled_world(2)
    world.run(40)
    writes = [action for action in world.actions if isinstance(action, ScaleDeployment)]
    assert [write.replicas for write in writes] == [2]


def test_a_recommendation_is_shown_and_never_written() -> None:
    world = scaled_world(7, mode=Mode.RECOMMEND)
    world.run(30)
    assert world.d.replicas == 4
    assert world.plan.status is not None
    assert world.plan.status.scaling is not None
    assert world.plan.status.scaling["desired"] == 7


def test_beside_another_autoscaler_nothing_is_written_until_it_goes() -> None:
    world = scaled_world(7)
    world.autoscaler = "HorizontalPodAutoscaler rival"
    world.run(30)
    assert world.d.replicas == 4
    conflict = world.condition("Conflict")
    assert conflict is not None
    assert "HorizontalPodAutoscaler rival sets the replicas of Deployment web" in conflict.message
    world.autoscaler = None
    world.run(10)
    assert world.d.replicas == 7
    assert world.condition("Conflict") is None


def test_a_recommendation_beside_another_autoscaler_is_no_conflict() -> None:
    world = scaled_world(7, mode=Mode.RECOMMEND)
    world.autoscaler = "HorizontalPodAutoscaler rival"
    world.run(30)
    assert world.d.replicas == 4
    assert world.condition("Conflict") is None
    ready = world.condition("Ready")
    assert ready is not None
    assert ready.status
    assert world.plan.status is not None
    assert world.plan.status.scaling is not None
    assert world.plan.status.scaling["desired"] == 7


def test_what_is_unknown_lowers_nothing_and_is_said_beside_the_phase() -> None:
    world = scaled_world(2)
    world.values["load"] = Unknown(Reason.TIMEOUT)
    world.run(600)
    assert world.d.replicas == 4
    active = world.condition("ScalingActive")
    assert active is not None
    assert not active.status
    assert "Timeout" in active.message
    assert active.message in world.message
    assert world.phase == "Healthy"


def test_a_deployment_at_zero_is_left_alone_and_nothing_is_asked() -> None:
    world = scaled_world(7)
    world.run(10)
    world.edit(replicas=0)
    world.run(20)
    assert world.d.replicas == 0
    assert world.plan.ask_scaling is None
    active = world.condition("ScalingActive")
    assert active is not None
    assert active.reason == "ScalingDisabled"


def test_the_canary_follows_the_replicas() -> None:
    world = scaled_world(4)
    world.run(10)
    world.set_image("web:2")
    world.run(5)
    assert world.situation().state is State.STEPPING
    world.values["load"] = Known(8)
    world.run(10)
    assert world.d.replicas == 8
    assert world.of("web:2").replicas == 8


def test_lowering_waits_for_a_rollback_and_raising_does_not() -> None:
    world = scaled_world(4, steps=(Step(90, 60.0),))
    world.run(10)
    world.set_image("web:2")
    world.run(10)
    assert world.situation().tried
    world.at_most["web:1"] = 1
    world.command("abort")
    world.values["load"] = Known(2)
    world.run(20)
    assert world.phase == "RollingBack"
    assert world.d.replicas == 4
    world.values["load"] = Known(6)
    world.run(10)
    assert world.d.replicas == 6
    world.values["load"] = Known(2)
    world.heal()
    world.run(30)
    assert world.phase == "RolledBack"
    assert world.d.replicas == 2


def test_lowering_waits_for_a_rollback_that_does_not_come_up() -> None:
    world = scaled_world(4, steps=(Step(90, 60.0),))
    world.set_policy(replace(world.policy, progress_deadline_seconds=20.0))
    world.run(10)
    world.set_image("web:2")
    world.run(10)
    world.at_most["web:1"] = 1
    world.command("abort")
    world.values["load"] = Known(2)
    world.run(60)
    assert world.phase == "Stalled"
    assert world.situation().state is State.RECLAIMING
    assert world.d.replicas == 4


def test_equal_intervals_ask_at_equal_instants() -> None:
    world = scaled_world(4)
    world.run(12)
    last = world.scaling_round
    assert last is not None
    epoch = last.asked_at.timestamp()
    assert epoch % INTERVAL_SECONDS < 1.0


def test_another_spec_is_not_answered_by_the_former_ones_round() -> None:
    world = scaled_world(4)
    world.run(10)
    before = world.scaling_round
    assert before is not None
    assert world.rollout is not None
    world.rollout = replace(world.rollout, generation=world.rollout.generation + 1)
    world.one_pass()
    assert world.scaling_round is not None
    assert world.scaling_round.release != before.release


def test_the_pods_of_all_versions_that_are_kept_count() -> None:
    world = scaled_world(4, steps=(Step(50, 5.0),))
    world.run(10)
    world.set_image("web:2")
    world.run(40)
    assert world.of("web:1").replicas == 0
    world.now += timedelta(seconds=INTERVAL_SECONDS)
    world.one_pass()
    asked = world.plan.ask_scaling
    assert asked is not None
    names = {world.of(image).ref.name for image in ("web:1", "web:2")}
    assert all(f"{name}-[a-z0-9]{{5}}" in asked.queries[0].text for name in names)


def test_pods_that_do_not_fit_are_looked_at_and_said() -> None:
    world = scaled_world(6)
    world.at_most["web:1"] = 4
    world.run(10)
    stuck = Pod("web-aaaa-x", "aaaa", unschedulable="0/1 nodes are available: 1 Insufficient cpu.")
    world.pods = (stuck, replace(stuck, name="web-aaaa-y"))
    world.run(10)
    limited = world.condition("CapacityLimited")
    assert limited is not None
    assert limited.message.startswith("2 pods do not fit on any node: 0/1 nodes")
    assert world.plan.pods_of == ("aaaa",)

    # No more than one on top of those
    world.values["load"] = Known(20)
    world.run(60)
    assert world.d.replicas == 7

    # Until there is room
    world.heal()
    world.pods = ()
    world.run(10)
    assert world.d.replicas == 20
    assert world.condition("CapacityLimited") is None


def test_missing_pods_are_looked_at_more_often_than_metrics() -> None:
    world = scaled_world(6, interval_seconds=600.0)
    world.run(5)
    world.at_most["web:1"] = 3
    world.edit(replicas=5)
    world.settle()
    assert world.plan.pods_every_seconds == 5.0
    assert world.plan.again_at == world.now + timedelta(seconds=5)


def test_a_canary_that_fits_on_no_node_does_not_hold_raising_up() -> None:
    world = scaled_world(4)
    world.run(10)
    world.at_most["web:2"] = 0
    world.set_image("web:2")
    world.settle()
    canary = world.of("web:2")
    stuck = Pod("web-x", canary.pod_hash, unschedulable="0/5 nodes match the node selector.")
    world.pods = (stuck, replace(stuck, name="web-y"))
    world.values["load"] = Known(12)
    world.run(10)
    assert world.d.replicas == 12
    assert world.phase == "Progressing"
    limited = world.condition("CapacityLimited")
    assert limited is not None
    assert limited.message.startswith("2 canary pods do not fit on any node")


def test_an_unpaused_gate_and_an_invalid_spec_do_not_lose_what_was_shown() -> None:
    world = scaled_world(7)
    world.run(30)
    shown = world.plan.status.scaling if world.plan.status else None
    assert shown is not None
    assert world.rollout is not None
    world.rollout = replace(world.rollout, status={"scaling": shown})
    world.set_policy(None, "spec.canary: wrong")
    world.settle()
    assert world.plan.status is not None
    assert world.plan.status.phase == "Invalid"
    assert world.plan.status.scaling == shown


def test_a_rollout_without_scaling_asks_nothing_and_shows_nothing() -> None:
    world = World()
    world.run(30)
    assert world.plan.ask_scaling is None
    assert world.plan.status is not None
    assert world.plan.status.scaling is None
    assert isinstance(world.d, Deployment)


def test_an_autoscalers_replicas_do_not_make_the_canary_of_a_step_larger() -> None:
    world = World(policy=Policy("web", steps=(Step(25, 20.0), Step(50, 60.0))))
    world.autoscaler = "HorizontalPodAutoscaler web"
    world.run(5)
    world.set_image("web:2")
    world.run(5)
    assert world.of("web:2").replicas == 1

    # The canary's pods count in the autoscaler's metrics, too
    world.edit(replicas=9)
    world.run(5)
    assert world.of("web:2").replicas == 1

    # Each step begins by the replicas that there are then, and follows them down, and up to there
    world.run(25)
    assert world.of("web:2").replicas == 9
    world.edit(replicas=6)
    world.run(5)
    assert world.of("web:2").replicas == 6
    world.edit(replicas=12)
    world.run(5)
    assert world.of("web:2").replicas == 9
    assert world.phase == "Progressing"


def test_without_an_autoscaler_the_canary_follows_whoever_sets_the_replicas() -> None:
    world = World(policy=Policy("web", steps=(Step(25, 60.0),)))
    world.run(5)
    world.set_image("web:2")
    world.run(5)
    world.edit(replicas=9)
    world.run(5)
    assert world.of("web:2").replicas == 3
