"""Giving the Deployment back when the Rollout is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import World, template

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Observed, Role
from sluice.core.plan import (
    DeleteRecord,
    DeleteReplicaSet,
    DisownDeployment,
    PatchDeployment,
    PatchReplicaSet,
    PatchRollout,
)
from sluice.core.restore import abandon, farewell, restore
from sluice.core.situation import Situation, State


def situation(world: World) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    return Situation(world.observed(), world.d, world.rollout.policy, world.anchor.ref.uid)


def adopted(**changes: Any) -> World:
    world = World(**changes)
    world.settle()
    return world


def releasing(seconds: float = 0.0) -> World:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    world.run(seconds)
    return world


def given_back(world: World) -> World:
    """The world after the Rollout was deleted, which must be plain then."""
    if world.rollout is not None and not world.rollout.deleting:
        world.delete_rollout()
    world.settle()
    assert world.rollout is None
    assert world.anchor is None
    assert not world.records
    assert not world.d.paused
    assert not [key for key in (*world.d.labels, *world.d.annotations) if "sluice" in key]
    for rs in world.replica_sets.values():
        assert rs.owner_uid == world.d.ref.uid
        assert not [key for key in (*rs.labels, *rs.annotations) if "sluice" in key]
    return world


def test_a_settled_deployment_keeps_its_pods_its_template_and_its_deadline() -> None:
    world = adopted()
    before = world.replica_sets["web-aaaa"]
    given_back(world)
    after = world.replica_sets["web-aaaa"]
    assert (after.ref.uid, after.replicas) == (before.ref.uid, 4)
    assert world.d.template == template("web:1")
    assert world.d.progress_deadline_seconds == 600
    assert world.least_serving == 4


def test_the_gate_opens_last_but_for_what_belongs_to_the_rollout() -> None:
    """Whatever the operator dies before, the Deployment stays paused until it is safe."""
    world = releasing(3)
    before = len(world.actions)
    given_back(world)
    done = world.actions[before:]
    opened = next(
        i for i, a in enumerate(done) if isinstance(a, PatchDeployment) and not a.template
    )
    for action in done[opened + 1 :]:
        assert isinstance(action, DeleteRecord | PatchRollout | PatchReplicaSet)
        if isinstance(action, PatchReplicaSet):
            assert (action.owner, action.replicas) == (None, None)
    assert isinstance(done[-1], PatchRollout)
    assert done[-1].finalizers == ()
    assert isinstance(done[-2], DeleteRecord), "the anchor, just before the finalizer"


def test_the_canary_goes_first_and_then_the_template() -> None:
    world = releasing(3)
    world.delete_rollout()
    canary = world.by_image("web:2")
    assert canary is not None
    (patch,) = restore(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert (patch.ref, patch.replicas, patch.dangerous) == (canary.ref, 0, True)
    assert patch.annotations[keys.ROLE] is Role.RETIRED
    world.one_pass()
    (back,) = restore(situation(world))
    assert isinstance(back, PatchDeployment)
    assert back.template == template("web:1")
    assert back.paused is None
    given_back(world)
    assert world.by_image("web:2") is None


def test_it_does_not_open_before_the_controller_has_seen_the_template() -> None:
    world = adopted()
    world.delete_rollout()
    world.deployment = replace(world.d, generation=9, observed_generation=8)
    plan = decide(world.observed())
    assert plan.actions == ()
    assert plan.again_at is not None
    assert plan.again_at > world.now


def test_history_goes_back_and_what_never_ran_goes_away() -> None:
    world = releasing(30)
    world.set_image("web:3")
    world.run(2)
    world.command("abort")
    world.run(2)
    assert world.phase == "RolledBack"
    given_back(world)
    assert {rs.replicas for rs in world.replica_sets.values()} == {0, 4}
    assert world.by_image("web:1") is not None
    assert world.by_image("web:3") is None
    assert world.d.template == template("web:2")


def test_another_replica_set_of_the_stable_template_is_deleted() -> None:
    """The controller would roll to the older of the two when the gate opens."""
    world = adopted()
    twin = replace(
        world.replica_sets["web-aaaa"],
        ref=world.ref("web-twin"),
        owner_uid=world.anchor.ref.uid,  # type: ignore[union-attr]
        created=world.now - timedelta(days=9),
        replicas=0,
        status_replicas=0,
        annotations={keys.ROLE: Role.RETIRED, keys.STABLE_AT: "2025-01-01T00:00:00.000Z"},
    )
    world.replica_sets["web-twin"] = twin
    world.delete_rollout()
    assert restore(situation(world)) == (DeleteReplicaSet(twin.ref),)


@pytest.mark.parametrize("former", ["600", "30"])
def test_the_former_deadline_is_put_back(former: str) -> None:
    world = World()
    world.edit(progress_deadline_seconds=int(former))
    world.settle()
    assert given_back(world).d.progress_deadline_seconds == int(former)


@pytest.mark.parametrize("text", [None, "soon", "-1"])
def test_where_the_former_deadline_cannot_be_read_the_default_is_put_back(
    text: str | None,
) -> None:
    """The endless one would switch the Deployment's own deadline off for good."""
    world = World()
    world.edit(progress_deadline_seconds=30)
    world.settle()
    annotations = {} if text is None else {keys.FORMER_DEADLINE: text}
    world.deployment = replace(world.d, annotations=annotations)
    assert given_back(world).d.progress_deadline_seconds == 600


def test_a_deadline_that_was_never_ours_stays() -> None:
    world = World()
    world.deployment = replace(world.d, deadline_has_owner=True)
    world.settle()
    assert given_back(world).d.progress_deadline_seconds == 600


@pytest.mark.parametrize("seconds", [0.5 * n for n in range(0, 50, 3)])
def test_a_rollout_deleted_at_any_time_leaves_no_moment_without_pods(seconds: float) -> None:
    world = given_back(releasing(seconds))
    assert world.least_serving >= 4
    running = [rs for rs in world.replica_sets.values() if rs.replicas]
    assert len(running) == 1
    assert running[0].template_hash == world.d.template_hash


def test_a_rollout_deleted_after_any_write_of_a_release_leaves_a_plain_deployment() -> None:
    """Also between the two patches of the swap."""
    for writes in range(1, 40):
        world = adopted()
        world.set_image("web:2")
        done = 0
        for _ in range(60):
            if done == writes:
                break
            world.now += timedelta(seconds=1)
            for action in decide(world.observed()).actions[:1]:
                world.apply(action)
                world.controllers()
                done += 1
        assert given_back(world).least_serving >= 4


def test_an_operator_that_dies_after_each_write_gives_back_the_same() -> None:
    world = releasing(12)
    world.delete_rollout()
    for _ in range(8):
        for action in decide(world.observed()).actions[:1]:
            world.apply(action)
            world.controllers()
    given_back(world)
    assert world.d.template == template("web:1")
    assert world.least_serving >= 4


def in_the_gap() -> World:
    """The Deployment owns nothing: the old side was taken, the new one is not given yet."""
    world = releasing()
    for _ in range(60):
        world.now += timedelta(seconds=1)
        for action in decide(world.observed()).actions[:1]:
            world.apply(action)
            world.controllers()
        if situation(world).stable is None:
            return world
    raise AssertionError("no swap")


@pytest.mark.parametrize(("fails", "ends_on"), [(None, "web:2"), ("web:2", "web:1")])
def test_a_swap_in_its_gap_is_finished_or_taken_back(fails: str | None, ends_on: str) -> None:
    world = in_the_gap()
    if fails:
        world.failing_images.add(fails)
        world.controllers()
    side = world.by_image(ends_on)
    assert side is not None
    world.delete_rollout()
    (patch,) = restore(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert patch.ref == side.ref
    assert patch.owner is not None
    assert patch.owner.uid == world.d.ref.uid
    given_back(world)
    assert world.d.template == template(ends_on)
    assert world.least_serving == 4


def test_a_rejected_template_is_put_back_as_well() -> None:
    world = releasing(3)
    world.command("abort")
    world.run(1)
    assert world.phase == "RolledBack"
    given_back(world)
    assert world.d.template == template("web:1")
    assert world.by_image("web:2") is None


def rolling_back() -> World:
    world = releasing(30)
    world.failing_images.add("web:1")
    world.command("rollback")
    world.run(1)
    assert situation(world).state is State.RETURNING
    world.delete_rollout()
    return world


def test_a_rollback_under_way_is_finished() -> None:
    world = rolling_back()
    world.settle()
    assert world.rollout is not None, "the good version is awaited"
    assert world.d.paused
    world.failing_images.clear()
    world.controllers()
    given_back(world)
    assert world.d.template == template("web:1")
    assert world.least_serving >= 4


def test_a_rollback_whose_target_does_not_come_up_is_given_up_at_the_deadline() -> None:
    world = rolling_back()
    world.now += timedelta(seconds=590)
    world.settle()
    assert world.rollout is not None
    assert world.d.paused
    world.now += timedelta(seconds=15)
    given_back(world)
    assert world.d.template == template("web:2")
    assert world.least_serving == 4


def test_in_the_end_no_field_of_the_deployment_is_ours() -> None:
    world = World()
    world.settle()
    world.write_deployment(our_entries=(1, 3))
    world.delete_rollout()
    world.settle()
    kinds = [type(action) for action in world.actions]
    opened = kinds.index(PatchDeployment, kinds.index(DisownDeployment) - 1)
    assert opened < kinds.index(DisownDeployment) < kinds.index(DeleteRecord)
    assert world.d.our_entries == ()


def test_a_deployment_that_was_never_adopted_is_left_as_it_is() -> None:
    world = World()
    world.deployment = replace(world.d, updated_replicas=1)
    world.settle()
    before = world.d
    world.delete_rollout()
    world.settle()
    assert world.rollout is None
    assert world.d == before


def test_without_our_finalizer_nothing_is_done() -> None:
    world = adopted()
    world.delete_rollout()
    assert world.rollout is not None
    world.rollout = replace(world.rollout, finalizers=("other",))
    assert decide(world.observed()).actions == ()


def test_the_farewell_leaves_other_finalizers() -> None:
    world = adopted()
    assert world.rollout is not None
    world.rollout = replace(world.rollout, finalizers=("a", keys.FINALIZER, "b"))
    *records, last = farewell(world.observed())
    assert isinstance(last, PatchRollout)
    assert last.finalizers == ("a", "b")
    anchor = world.anchor
    assert anchor is not None
    assert records[-1] == DeleteRecord(anchor.ref), "the anchor goes after the records"
    assert len(records) == 2


# --- the Deployment is gone


def gone(world: World) -> Observed:
    world.deployment = None
    return world.observed()


def test_what_is_left_of_a_deleted_deployment_goes_to_0_before_it_is_deleted() -> None:
    world = releasing(3)
    canary = world.by_image("web:2")
    assert canary is not None
    (patch,) = abandon(gone(world))
    assert isinstance(patch, PatchReplicaSet)
    assert (patch.ref, patch.replicas) == (canary.ref, 0)
    world.apply(patch)
    (doomed,) = abandon(world.observed())
    assert isinstance(doomed, DeleteReplicaSet)
    world.apply(doomed)
    assert all(isinstance(action, DeleteRecord) for action in abandon(world.observed()))


def test_what_the_deployment_owned_is_not_ours_to_delete() -> None:
    world = adopted()
    assert not [a for a in abandon(gone(world)) if not isinstance(a, DeleteRecord)]


def test_of_what_a_deleted_deployment_orphaned_the_stable_one_is_spared() -> None:
    world = releasing(3)
    world.replica_sets["web-aaaa"] = replace(world.replica_sets["web-aaaa"], owner_uid=None)
    canary = world.by_image("web:2")
    assert canary is not None
    world.replica_sets[canary.ref.name] = replace(canary, owner_uid=None)
    (patch,) = abandon(gone(world))
    assert isinstance(patch, PatchReplicaSet)
    assert (patch.ref, patch.replicas) == (canary.ref, 0)
    world.apply(patch)
    (plain,) = abandon(world.observed())
    assert isinstance(plain, PatchReplicaSet)
    assert (plain.ref.name, plain.replicas, plain.owner) == ("web-aaaa", None, None)
    world.apply(plain)
    (doomed,) = abandon(world.observed())
    assert isinstance(doomed, DeleteReplicaSet)
    assert doomed.ref.uid == canary.ref.uid


def test_a_replica_set_of_nobody_that_sluice_has_not_met_is_left() -> None:
    world = adopted()
    stranger = replace(
        world.replica_sets["web-aaaa"], ref=world.ref("x"), owner_uid=None, annotations={}
    )
    world.replica_sets = {"x": stranger}
    assert not [a for a in abandon(gone(world)) if not isinstance(a, DeleteRecord)]


def test_a_rollout_without_its_deployment_is_told_and_can_be_deleted() -> None:
    world = releasing(3)
    world.deployment = None
    world.settle()
    assert world.phase == "Stalled"
    assert world.by_image("web:2") is None
    assert world.anchor is None
    world.delete_rollout()
    world.settle()
    assert world.rollout is None


def test_a_deployment_of_the_same_name_is_another_one() -> None:
    """Replaced, as by `kubectl replace --force`: the old one's things go, then it is adopted."""
    world = releasing(3)
    uid = "uid-of-the-new-one"
    old = world.replica_sets.pop("web-aaaa")
    world.replica_sets["web-cccc"] = replace(
        old, ref=world.ref("web-cccc"), owner_uid=uid, annotations={}, labels={"app": "web"}
    )
    plain = World().d
    world.deployment = replace(plain, ref=replace(plain.ref, uid=uid))
    world.settle()
    assert world.phase == "Healthy"
    assert world.by_image("web:2") is None
    assert world.anchor is not None
    assert world.anchor.deployment_uid == uid
    assert world.replica_sets["web-cccc"].role is Role.STABLE
