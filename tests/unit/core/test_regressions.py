"""What was found broken once: the gate, the stable ReplicaSet, and giving the Deployment back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import World, hashed, template

from sluice.core import keys
from sluice.core.objects import ReplicaSet, Role
from sluice.core.plan import CreateReplicaSet, PatchDeployment
from sluice.core.policy import Policy, Step
from sluice.core.situation import State
from sluice.core.templates import template_hash

HOUR = timedelta(hours=1)


def adopted(**changes: Any) -> World:
    world = World(**changes)
    world.settle()
    assert world.phase == "Healthy"
    return world


def promoted(*images: str, **changes: Any) -> World:
    """web:1, then each of these, released one after the other."""
    world = adopted()
    world.edit(**changes)
    for image in images:
        world.set_image(image)
        world.run(30)
        assert world.phase == "Healthy"
    return world


def canary_of(world: World) -> ReplicaSet:
    canary = world.situation().canary
    assert canary is not None
    return canary


def made(world: World) -> list[CreateReplicaSet]:
    return [action for action in world.actions if isinstance(action, CreateReplicaSet)]


# --- the gate


def wipe(world: World) -> None:
    """`kubectl replace` with a manifest that knows nothing of us."""
    world.edit(labels={}, annotations={}, paused=False)


def test_label_and_paused_that_are_wiped_together_are_put_back_on_a_rejected_template() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.command("abort")
    world.run(1)
    assert world.phase == "RolledBack"
    wipe(world)
    world.run(5)
    assert world.d.paused
    assert world.d.labels[keys.ROLLOUT_LABEL] == "web"
    assert world.phase == "RolledBack"
    assert (world.of("web:1").role, world.of("web:1").replicas) == (Role.STABLE, 4)
    assert (world.of("web:2").role, world.of("web:2").replicas) == (Role.REJECTED, 0)


def test_label_and_paused_that_are_wiped_together_are_put_back_in_mid_canary() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    wipe(world)
    world.run(1)
    assert world.d.paused
    assert world.d.labels[keys.ROLLOUT_LABEL] == "web"
    assert canary_of(world).ref == world.of("web:2").ref
    world.run(30)
    assert world.phase == "Healthy"
    assert world.least_serving == 4


def test_who_unpauses_the_deployment_is_told_for_a_while() -> None:
    world = adopted()
    world.edit(paused=False)
    world.run(1)
    told = world.condition("Conflict")
    assert told is not None
    assert (told.status, told.reason) == (True, "Ungated")
    world.now += timedelta(minutes=11)
    world.settle()
    assert world.condition("Conflict") is None


def opened(world: World) -> list[PatchDeployment]:
    patches = [action for action in world.actions if isinstance(action, PatchDeployment)]
    return [patch for patch in patches if patch.paused is False]


def test_a_deployment_made_again_from_its_exported_manifest_is_unpaused_once_and_adopted() -> None:
    world = adopted()
    exported = replace(world.d, ref=world.ref("web"))
    world.deployment = replace(
        exported, updated_replicas=0, status_replicas=0, available_replicas=0
    )
    world.replica_sets.clear()
    for _ in range(10):
        world.now += timedelta(seconds=2)
        world.one_pass()
        if opened(world):
            break
    assert len(opened(world)) == 1, "a Deployment that is paused and owns nothing would never run"
    body = world.d.template
    rolled = ReplicaSet(
        world.ref("web-bbbb"), world.now, world.d.ref.uid, 4, hashed(body, "bbbb"),
        template_hash(body), labels={"app": "web", keys.HASH_LABEL: "bbbb"},
    )  # fmt: skip
    world.replica_sets["web-bbbb"] = rolled
    world.edit(updated_replicas=4, status_replicas=4, available_replicas=4)
    world.run(20)
    assert world.phase == "Healthy"
    assert world.d.paused
    assert len(opened(world)) == 1
    assert world.replica_sets["web-bbbb"].role is Role.STABLE
    assert world.anchor is not None
    assert world.anchor.deployment_uid == world.d.ref.uid


@pytest.mark.parametrize("first", ["web-aaaa", "web-twin"])
def test_of_two_replica_sets_of_one_template_the_one_with_pods_is_adopted(first: str) -> None:
    world = World()
    only = world.replica_sets["web-aaaa"]
    twin = replace(
        only, ref=world.ref("web-twin"), replicas=0, status_replicas=0, ready_replicas=0,
        status_available=0, labels={"app": "web", keys.HASH_LABEL: "twin"},
    )  # fmt: skip
    both = {"web-aaaa": only, "web-twin": twin}
    world.replica_sets = {first: both.pop(first), **both}
    world.settle()
    assert world.phase == "Healthy"
    assert world.replica_sets["web-aaaa"].role is Role.STABLE
    assert world.replica_sets["web-aaaa"].owner_uid == world.d.ref.uid
    assert world.replica_sets["web-twin"].owner_uid != world.d.ref.uid


# --- the stable ReplicaSet


def test_a_role_that_was_wiped_from_the_stable_one_is_given_back_and_nothing_is_created() -> None:
    world = adopted()
    world.change(world.of("web:1"), annotations={keys.ROLE: None})
    world.run(2)
    assert world.phase == "Healthy"
    assert world.of("web:1").role is Role.STABLE
    assert made(world) == []
    assert world.least_serving == 4


@pytest.mark.parametrize("back", [timedelta(0), HOUR], ids=["", "clock set back"])
def test_a_version_rolled_back_to_at_0_replicas_is_the_one_that_is_made_again(
    back: timedelta,
) -> None:
    """With revisionHistoryLimit 0 its ReplicaSet is deleted by the controller after the swap."""
    world = promoted("web:2", revision_history_limit=0)
    world.edit(replicas=0)
    world.now -= back
    world.command("rollback")
    for _ in range(40):
        world.now += timedelta(seconds=0.5)
        world.one_pass()
        if world.by_image("web:1") is None:
            break
    assert world.by_image("web:1") is None, "cleaned up"
    world.run(3)
    world.edit(replicas=4)
    world.run(3)
    assert world.of("web:1").replicas == 4
    assert world.of("web:1").role is Role.STABLE
    assert world.by_image("web:2") is None or world.of("web:2").replicas == 0
    assert world.phase == "RolledBack"


def test_a_promotion_at_0_replicas_whose_replica_set_is_deleted_is_made_again() -> None:
    world = adopted()
    world.set_image("web:2")
    world.until(State.SWAPPING)
    world.edit(replicas=0, revision_history_limit=0)
    world.until(State.SWAPPING, gap=True)
    world.one_pass()
    assert world.of("web:2").owner_uid == world.d.ref.uid
    del world.replica_sets[world.of("web:2").ref.name]
    world.edit(replicas=4)
    world.run(3)
    assert world.of("web:2").replicas == 4
    assert world.of("web:2").role is Role.STABLE


def test_an_heir_that_is_deleted_in_the_gap_is_made_again_while_the_old_side_serves() -> None:
    world = adopted()
    world.set_image("web:2")
    world.until(State.SWAPPING, gap=True)
    del world.replica_sets[world.of("web:2").ref.name]
    world.fail("web:2")
    world.run(2)
    assert len(world.replica_sets) == 2
    assert (world.of("web:2").owner_uid, world.of("web:2").replicas) == (world.d.ref.uid, 4)
    assert world.of("web:1").replicas == 4
    world.heal()
    world.run(2)
    assert world.phase == "Healthy"
    assert world.of("web:1").replicas == 0
    assert world.least_serving == 4


def test_a_deleted_anchor_is_made_again_and_owns_all_that_was_its() -> None:
    world = promoted("web:2")
    world.set_image("web:3")
    world.run(3)
    world.lose_anchor()
    world.run(2)
    assert world.anchor is not None
    uid = world.anchor.ref.uid
    assert {record.owner_uid for record in world.records.values()} == {uid}
    assert (world.of("web:1").owner_uid, world.of("web:3").owner_uid) == (uid, uid)
    assert world.of("web:2").owner_uid == world.d.ref.uid
    assert world.anchor.adopted
    world.run(30)
    assert world.phase == "Healthy"
    assert world.least_serving == 4


# --- the Deployment is gone, or given back


def test_a_replica_set_that_is_orphaned_on_purpose_keeps_its_pods_and_loses_our_marks() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.change(world.of("web:1"), owner_uid=None)
    world.deployment = None
    world.settle()
    assert world.phase == "Stalled"
    (left,) = world.replica_sets.values()
    assert (left.ref.name, left.replicas, left.owner_uid) == ("web-aaaa", 4, None)
    assert not [key for key in (*left.labels, *left.annotations) if "sluice" in key]
    world.delete_rollout()
    world.settle()
    assert world.rollout is None
    assert world.serving() == 4


def plain(world: World, image: str) -> None:
    assert world.rollout is None
    assert not world.d.paused
    assert world.d.template == template(image)
    assert world.of(image).owner_uid == world.d.ref.uid
    assert world.of(image).replicas == world.d.replicas


def test_a_rollback_under_way_is_finished_before_the_deployment_is_given_back() -> None:
    world = promoted("web:2")
    world.fail("web:1", "web:2")
    world.command("rollback")
    world.run(2)
    assert world.situation().state is State.RETURNING
    world.delete_rollout()
    world.run(10)
    assert world.rollout is not None
    assert world.of("web:1").replicas == 4, "the good one goes on rising"
    world.failing_images.discard("web:1")
    world.run(20)
    plain(world, "web:1")
    assert world.serving() == 4


def test_the_gap_of_a_rollback_is_finished_before_the_deployment_is_given_back() -> None:
    world = promoted("web:2")
    world.fail("web:2")
    world.command("rollback")
    world.until(State.SWAPPING, gap=True)
    world.delete_rollout()
    serving = world.serving()
    assert serving == 4
    world.least_serving = serving
    world.run(20)
    plain(world, "web:1")
    assert world.least_serving == serving


def test_a_deadline_that_the_user_set_later_is_kept_when_the_deployment_is_given_back() -> None:
    world = adopted()
    world.edit(progress_deadline_seconds=120, deadline_has_owner=True)
    world.run(1)
    world.delete_rollout()
    world.settle()
    plain(world, "web:1")
    assert world.d.progress_deadline_seconds == 120


# --- an invalid spec


def invalid(world: World) -> World:
    world.set_policy(None, "spec.canary.steps: weights must rise")
    return world


def test_under_an_invalid_spec_the_gate_is_shut_again_and_nothing_new_starts() -> None:
    world = invalid(adopted())
    world.edit(paused=False)
    world.run(2)
    assert world.d.paused
    assert world.phase == "Invalid"
    world.set_image("web:2")
    world.run(30)
    assert world.by_image("web:2") is None
    assert world.phase == "Invalid"
    assert "weights must rise" in world.message


def test_under_an_invalid_spec_a_lost_stable_replica_set_is_made_again() -> None:
    world = invalid(adopted())
    world.set_image("web:2")
    del world.replica_sets["web-aaaa"]
    world.run(2)
    assert world.of("web:1").replicas == 4
    assert world.phase == "Invalid"


def test_under_an_invalid_spec_a_swap_in_its_gap_is_finished() -> None:
    world = adopted()
    world.set_image("web:2")
    world.until(State.SWAPPING, gap=True)
    invalid(world).run(5)
    assert world.of("web:2").owner_uid == world.d.ref.uid
    assert world.of("web:1").replicas == 0
    assert world.phase == "Invalid"


def test_under_an_invalid_spec_a_canary_stays_as_it_is_and_abort_works() -> None:
    world = adopted(policy=Policy("web", steps=(Step(10, 10.0), Step(50, 10.0))))
    world.set_image("web:2")
    world.run(12)
    assert world.of("web:2").replicas == 4
    invalid(world).run(60)
    assert (world.of("web:2").role, world.of("web:2").replicas) == (Role.CANARY, 4)
    world.command("abort")
    world.run(2)
    assert (world.of("web:2").role, world.of("web:2").replicas) == (Role.REJECTED, 0)
    assert world.phase == "Invalid"
    assert "was taken back" in world.last_result


def test_under_strategy_recreate_what_runs_is_guarded() -> None:
    world = adopted()
    world.edit(strategy="Recreate", paused=False)
    world.run(2)
    assert world.d.paused
    assert world.phase == "Stalled"
    assert "Recreate" in world.message


def test_an_anchor_lost_in_the_gap_of_a_swap_does_not_open_the_gate() -> None:
    world = World(policy=Policy("web", steps=(Step(50, 2.0),)))
    world.settle()
    world.set_image("web:2")
    for _ in range(200):
        world.now += timedelta(seconds=0.1)
        world.one_pass()
        if world.situation().gap:
            break
    assert world.situation().gap
    world.lose_anchor()
    world.run(5)
    assert world.d.paused
    assert world.phase == "Healthy", world.message
    assert world.of("web:2").owner_uid == world.d.ref.uid


def test_a_deployment_whose_label_was_taken_away_is_unpaused_at_the_end() -> None:
    world = World()
    world.settle()
    world.delete_rollout()
    world.deployment = replace(world.d, labels={}, ref=world.bumped(world.d.ref))
    world.settle()
    assert world.rollout is None
    assert not world.d.paused
    assert world.d.progress_deadline_seconds == 600
