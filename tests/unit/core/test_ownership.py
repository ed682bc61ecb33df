"""The gate and the rule of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import World, template

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Deployment, Record, ReplicaSet, Role
from sluice.core.ownership import (
    gate_patch,
    restore_stable,
    stable_record,
    strays,
    take_over,
    unlabelled,
    violators,
)
from sluice.core.plan import CreateReplicaSet, PatchReplicaSet
from sluice.core.situation import Situation


def situation(world: World) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    return Situation(world.observed(), world.d, world.rollout.policy, world.anchor.ref.uid)


def adopted(**changes: Any) -> World:
    world = World(**changes)
    world.settle()
    return world


def gated(**changes: Any) -> Deployment:
    """The Deployment of an adopted world, changed."""
    return replace(adopted().d, **changes)


def another(world: World, **changes: Any) -> ReplicaSet:
    """One more ReplicaSet of the Deployment, without pods, that Sluice has not met."""
    stable = world.replica_sets["web-aaaa"]
    rs = replace(
        stable, ref=world.ref("web-bbbb"), annotations={}, replicas=0, status_replicas=0,
        status_available=0, labels={"app": "web", keys.HASH_LABEL: "bbbb"},
        template=template("web:9"), template_hash="other",
    )  # fmt: skip
    world.replica_sets["web-bbbb"] = replace(rs, **changes)
    return world.replica_sets["web-bbbb"]


# --- the gate


def test_a_gate_that_is_whole_is_left_alone() -> None:
    assert gate_patch(gated(), "web") is None


def test_a_plain_deployment_is_paused_labelled_and_given_the_endless_deadline() -> None:
    patch = gate_patch(World().d, "web")
    assert patch is not None
    assert patch.paused is True
    assert patch.progress_deadline_seconds == keys.ENDLESS_DEADLINE_SECONDS
    assert patch.labels == {keys.ROLLOUT_LABEL: "web"}
    assert patch.annotations == {keys.FORMER_DEADLINE: "600"}
    assert patch.template is None


def test_only_what_is_missing_is_written() -> None:
    unpaused = gate_patch(gated(paused=False), "web")
    assert unpaused is not None
    assert unpaused.paused is True
    assert unpaused.progress_deadline_seconds is None
    assert (unpaused.labels, unpaused.annotations) == ({}, {})
    bare = gate_patch(gated(labels={}), "web")
    assert bare is not None
    assert (bare.paused, bare.labels) == (None, {keys.ROLLOUT_LABEL: "web"})


def test_a_deadline_that_was_set_back_is_set_again_and_its_first_value_kept() -> None:
    patch = gate_patch(gated(progress_deadline_seconds=300), "web")
    assert patch is not None
    assert patch.progress_deadline_seconds == keys.ENDLESS_DEADLINE_SECONDS
    assert patch.annotations == {}, "600, from before the adoption, stands there already"


@pytest.mark.parametrize("seconds", [300, 600, keys.ENDLESS_DEADLINE_SECONDS])
def test_a_deadline_that_somebody_else_owns_is_left_alone(seconds: int) -> None:
    owned = gated(progress_deadline_seconds=seconds, deadline_has_owner=True)
    assert gate_patch(owned, "web") is None
    plain = replace(World().d, progress_deadline_seconds=seconds, deadline_has_owner=True)
    patch = gate_patch(plain, "web")
    assert patch is not None
    assert patch.paused is True
    assert patch.progress_deadline_seconds is None
    assert patch.annotations == {}


def test_a_deadline_that_was_endless_before_needs_no_memory() -> None:
    endless = replace(World().d, progress_deadline_seconds=keys.ENDLESS_DEADLINE_SECONDS)
    patch = gate_patch(endless, "web")
    assert patch is not None
    assert (patch.progress_deadline_seconds, patch.annotations) == (None, {})


# --- the rule of one


def test_the_stable_replica_set_alone_is_no_violation() -> None:
    world = adopted()
    assert violators(situation(world)) == ()
    assert take_over(situation(world)) == ()


@pytest.mark.parametrize("role", [None, *Role])
def test_whatever_else_the_deployment_owns_is_taken_over_once_it_has_no_pods(
    role: Role | None,
) -> None:
    world = adopted()
    # Newer than nothing: the stable one is found first, whatever the role of the other.
    extra = another(world, annotations={keys.ROLE: str(role)} if role else {})
    if role is Role.STABLE:
        extra = another(world, annotations={keys.ROLE: role}, created=world.now.replace(year=2020))
    assert violators(situation(world)) == (extra,)
    (patch,) = take_over(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert patch.ref == extra.ref
    assert patch.owner is not None
    assert patch.owner.uid == world.anchor.ref.uid  # type: ignore[union-attr]
    assert patch.dangerous
    assert patch.replicas is None
    retired = role in (None, Role.STABLE)
    assert patch.annotations.get(keys.ROLE) == (Role.RETIRED if retired else None)


@pytest.mark.parametrize("pods", [{"replicas": 1}, {"status_replicas": 1}])
def test_what_has_pods_is_not_taken_over(pods: dict[str, int]) -> None:
    world = adopted()
    extra = another(world, **pods)
    assert violators(situation(world)) == (extra,)
    assert take_over(situation(world)) == ()


def test_what_is_being_deleted_is_no_violation() -> None:
    world = adopted()
    another(world, deleting=True)
    assert violators(situation(world)) == ()


# --- a stable ReplicaSet that is lost


def lost(world: World) -> World:
    del world.replica_sets["web-aaaa"]
    return world


def test_a_lost_stable_replica_set_is_made_again_as_it_was() -> None:
    world = lost(adopted())
    (made,) = restore_stable(situation(world))
    assert isinstance(made, CreateReplicaSet)
    assert (made.name, made.pod_hash) == ("web-aaaa", "aaaa")
    assert made.replicas == 4, "at 0 it would be cleaned up at once with revisionHistoryLimit 0"
    assert made.owner.uid == world.d.ref.uid
    assert made.selector == world.d.selector
    assert made.template == template("web:1")
    assert {**made.labels} == {"app": "web", keys.HASH_LABEL: "aaaa", keys.ROLLOUT_LABEL: "web"}
    assert made.annotations[keys.ROLE] is Role.STABLE


def test_it_is_made_of_the_stable_template_and_not_of_the_deployments() -> None:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    (made,) = restore_stable(situation(lost(world)))
    assert isinstance(made, CreateReplicaSet)
    assert made.template == template("web:1")


def test_it_is_not_made_at_0_replicas() -> None:
    world = lost(adopted())
    world.edit(replicas=0)
    assert restore_stable(situation(world)) == ()
    assert world.one_pass().actions == ()
    assert world.phase == "Healthy"
    world.edit(replicas=3)
    world.settle()
    assert world.replica_sets["web-aaaa"].replicas == 3


def test_its_name_gets_a_suffix_only_while_it_is_held() -> None:
    world = adopted()
    world.replica_sets["web-aaaa"] = replace(world.replica_sets["web-aaaa"], deleting=True)
    (made,) = restore_stable(situation(world))
    assert isinstance(made, CreateReplicaSet)
    assert (made.name, made.pod_hash) == ("web-aaaa2", "aaaa2")


def test_one_that_lost_its_owner_is_given_back_and_not_made_again() -> None:
    world = adopted()
    orphan = replace(world.replica_sets["web-aaaa"], owner_uid=None)
    world.replica_sets["web-aaaa"] = orphan
    (patch,) = restore_stable(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert patch.ref == orphan.ref
    assert patch.owner is not None
    assert (patch.owner.uid, patch.dangerous) == (world.d.ref.uid, True)


def test_without_a_record_nothing_can_be_made_and_that_is_told() -> None:
    world = lost(adopted())
    world.records.clear()
    assert restore_stable(situation(world)) == ()
    world.one_pass()
    assert world.phase == "Stalled"


def test_a_stale_snapshot_makes_nothing() -> None:
    plan = decide(replace(lost(adopted()).observed(), fresh=False))
    assert (plan.needs_fresh, plan.actions) == (True, ())


def test_the_stable_record_is_the_one_that_became_stable_last() -> None:
    world = World()

    def record(name: str, stable_at: str | None) -> Record:
        return Record(world.ref(name), name, name, {}, None, stable_at)

    first, second = record("a", "2026-01-01T00:00:00.000Z"), record("b", "2026-02-01T00:00:00.000Z")
    never = record("c", None)
    assert stable_record([first, second, never]) is second
    assert stable_record([second, first]) is second
    assert stable_record([never]) is None


# --- labels and owners


def test_a_label_that_is_gone_is_put_back() -> None:
    world = adopted()
    bare = replace(world.replica_sets["web-aaaa"], labels={"app": "web"})
    world.replica_sets["web-aaaa"] = bare
    (patch,) = unlabelled(situation(world))
    assert patch == PatchReplicaSet(bare.ref, labels={keys.ROLLOUT_LABEL: "web"})


def test_what_sluice_has_not_met_is_not_labelled() -> None:
    world = adopted()
    another(world, owner_uid="somebody")
    assert unlabelled(situation(world)) == ()


@pytest.mark.parametrize("role", [Role.CANARY, Role.RETURNING, Role.REJECTED, Role.RETIRED])
@pytest.mark.parametrize("owner", [None, "an anchor that is gone"])
def test_what_is_ours_by_label_is_taken_up_again(role: Role, owner: str | None) -> None:
    world = adopted()
    stray = another(world, annotations={keys.ROLE: role}, owner_uid=owner)
    (patch,) = strays(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert patch.ref == stray.ref
    assert patch.owner is not None
    assert patch.owner.uid == world.anchor.ref.uid  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "annotations",
    [{}, {keys.ROLE: Role.STABLE}, {keys.ROLE: Role.CANARY, keys.SWAP: "uid-x"}],
    ids=["not ours", "the Deployment's", "in a swap"],
)
def test_what_is_the_deployments_or_nobodys_is_not_taken(annotations: dict[str, str]) -> None:
    world = adopted()
    another(world, annotations=annotations, owner_uid=None)
    assert strays(situation(world)) == ()


def test_a_canary_outlives_a_lost_anchor() -> None:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    world.anchor = None
    world.settle()
    canary = world.by_image("web:2")
    assert canary is not None
    assert canary.owner_uid == world.anchor.ref.uid  # type: ignore[attr-defined]
    world.run(30)
    assert world.phase == "Healthy"
