"""The status of a Rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import World

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.display import simple, with_conflict
from sluice.core.objects import Pod, Record
from sluice.core.plan import Status
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.table import Phase


def adopted(**changes: Any) -> World:
    world = World(**changes)
    world.settle()
    return world


def releasing(**changes: Any) -> World:
    world = adopted(**changes)
    world.set_image("web:2")
    world.settle()
    return world


def status(world: World) -> Status:
    assert world.plan.status is not None
    return world.plan.status


def conditions(found: Status) -> dict[str, bool]:
    assert len({c.type for c in found.conditions}) == len(found.conditions), "each type once"
    return {condition.type: condition.status for condition in found.conditions}


def release(world: World) -> dict[str, Any]:
    found = status(world).release
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("phase", Phase)
def test_a_simple_status_is_stalled_or_reconciling_and_never_ready(phase: Phase) -> None:
    found = conditions(simple(World().observed(), phase, "why", "Reason"))
    stuck = phase in (Phase.STALLED, Phase.INVALID)
    assert found == {"Ready": False, "Reconciling": not stuck, "Stalled": stuck}


def test_a_healthy_rollout_is_ready() -> None:
    world = adopted()
    assert world.phase == "Healthy"
    assert conditions(status(world)) == {"Ready": True, "Reconciling": False, "Stalled": False}
    assert status(world).stable == {
        "hash": "aaaa",
        "revision": 1,
        "replicas": 4,
        "available": 4,
    }
    assert status(world).release is None
    assert status(world).rejected == ()
    assert status(world).last_command is None


def test_a_healthy_rollout_whose_pods_are_away_is_not_ready() -> None:
    world = adopted()
    world.failing_images.add("web:1")
    world.controllers()
    world.settle()
    assert world.phase == "Healthy"
    assert conditions(status(world)) == {"Ready": False, "Reconciling": True, "Stalled": False}
    assert {c.reason for c in status(world).conditions} == {"PodsUnavailable"}


def test_as_many_pods_may_be_away_as_for_a_swap() -> None:
    world = adopted()
    stable = world.replica_sets["web-aaaa"]
    for available, ready in ((3, True), (2, False)):
        world.replica_sets["web-aaaa"] = replace(stable, status_available=available)
        found = decide(world.observed()).status
        assert found is not None
        assert conditions(found)["Ready"] is ready


def test_a_release_is_reconciling_and_shows_where_it_is() -> None:
    world = releasing()
    assert conditions(status(world)) == {"Ready": False, "Reconciling": True, "Stalled": False}
    shown = release(world)
    assert shown.pop("hash") == world.by_image("web:2").pod_hash  # type: ignore[union-attr]
    assert shown.pop("id").startswith("2-")
    assert shown == {
        "images": ["web:2"],
        "step": 1,
        "steps": 2,
        "weight": 20,
        "canaryReplicas": 1,
        "canaryAvailable": 1,
        "startedAt": "2026-01-01T12:00:00.000Z",
        "stepStartedAt": "2026-01-01T12:00:00.000Z",
        "metrics": [],
    }


def test_a_release_that_waits_is_paused_and_still_reconciling() -> None:
    world = releasing(policy=Policy("web", steps=(Step(10, approval_required=True),)))
    assert world.phase == "Paused"
    assert conditions(status(world)) == {
        "Ready": False,
        "Reconciling": True,
        "Stalled": False,
        "Paused": True,
    }


def test_a_rejected_template_is_stalled_and_rejected_and_says_since_when_and_why() -> None:
    world = releasing()
    world.command("abort")
    world.settle()
    assert world.phase == "RolledBack"
    assert conditions(status(world)) == {
        "Ready": False,
        "Reconciling": False,
        "Stalled": True,
        "Rejected": True,
    }
    (rejected,) = status(world).rejected
    assert rejected == {
        "hash": world.by_image("web:2").pod_hash,  # type: ignore[union-attr]
        "at": "2026-01-01T12:00:00.000Z",
        "reason": 'command "abort" at step 1 of 2 (10%)',
    }


def test_the_last_10_rejections_are_shown_in_their_order() -> None:
    world = adopted()
    for day in range(12, 0, -1):
        name = f"sluice-web-{day}"
        at = f"2026-01-{day:02}T00:00:00.000Z"
        world.records[name] = Record(
            world.ref(name), name, f"h{day}", {}, "x", rejected_at=at, reason="bad"
        )
    world.set_image("web:2")
    plan = world.settle()
    assert plan.status is not None
    assert [r["hash"] for r in plan.status.rejected] == [f"h{day}" for day in range(3, 13)]
    assert decide(world.observed()).status == plan.status


def test_readings_are_shown_with_verdict_value_and_sentence() -> None:
    metrics = (Metric("errors", "q", maximum=0.5), Metric("queue", "q", maximum=10))
    world = adopted(
        policy=Policy("web", steps=(Step(10, 60.0),), analysis=Analysis(metrics=metrics))
    )
    world.values = {"errors": Known(0.123456), "queue": Unknown(Reason.EMPTY)}
    world.set_image("web:2")
    world.settle()
    assert release(world)["metrics"] == [
        {
            "name": "errors",
            "verdict": "Pass",
            "canary": "0.1235",
            "message": 'metric "errors" is 0.1235, within at most 0.5',
        },
        {
            "name": "queue",
            "verdict": "Unknown",
            "message": 'metric "queue" is unknown (Empty)',
        },
    ]


def test_a_return_to_an_earlier_version_has_no_steps() -> None:
    world = releasing()
    world.run(30)
    world.failing_images.add("web:1")
    world.command("rollback")
    world.settle()
    assert world.phase == "RollingBack"
    assert not {"step", "steps", "stepStartedAt", "metrics"} & set(release(world))
    assert release(world)["images"] == ["web:1"]


def test_a_conflict_takes_ready_away_and_keeps_the_rest() -> None:
    world = releasing()
    found = with_conflict(status(world), "Ungated", "somebody else rolls it")
    assert conditions(found) == {
        "Ready": False,
        "Reconciling": True,
        "Stalled": False,
        "Conflict": True,
    }
    assert found.message == "somebody else rolls it"
    assert (found.stable, found.release) == (status(world).stable, status(world).release)
    assert conditions(with_conflict(found, "Ungated", "again")) == conditions(found)


def test_an_older_rollout_of_the_same_deployment_is_named() -> None:
    found = decide(replace(World().observed(), rival="shop")).status
    assert found is not None
    assert found.phase == "Stalled"
    assert "Rollout shop is older" in found.message
    assert conditions(found)["Conflict"]


def test_an_invalid_spec_is_told_in_its_own_words() -> None:
    world = World()
    assert world.rollout is not None
    world.rollout = replace(world.rollout, policy=None, problems=("one", "two"))
    found = decide(world.observed()).status
    assert found is not None
    assert (found.phase, found.message) == ("Invalid", "one; two")
    assert conditions(found)["Stalled"]


def test_a_deployment_that_recreates_is_refused() -> None:
    world = World()
    world.deployment = replace(world.d, strategy="Recreate")
    world.one_pass()
    assert world.phase == "Stalled"
    assert "has strategy Recreate; set spec.strategy.type to RollingUpdate" in world.message
    assert world.actions == []


def test_a_settled_status_does_not_change_with_the_time() -> None:
    for world in (adopted(), releasing()):
        before = status(world)
        world.run(5)
        assert status(world) == before


def test_a_command_that_cannot_be_read_is_not_shown() -> None:
    world = adopted()
    world.annotate(keys.ACCEPTED, "{")
    world.settle()
    assert status(world).last_command is None


def test_pods_that_fit_on_no_node_are_a_condition_with_numbers() -> None:
    world = releasing()
    world.fail("web:2")
    full = "0/1 nodes are available: 1 Insufficient cpu."
    pod_hash = world.of("web:2").pod_hash
    world.pods = (Pod("web-new-1", pod_hash, unschedulable=full),)
    world.run(1)
    limited = world.condition("CapacityLimited")
    assert limited is not None
    assert (limited.status, limited.reason) == (True, "Unschedulable")
    assert limited.message == f"1 canary pod does not fit on any node: {full}"
    world.pods = ()
    world.heal()
    world.run(1)
    assert world.condition("CapacityLimited") is None
