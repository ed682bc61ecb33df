"""What is put in order in every pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import World, hashed, template

from sluice.core import keys
from sluice.core.objects import Record, ReplicaSet, Role
from sluice.core.plan import (
    CreateRecord,
    DeleteRecord,
    DeleteReplicaSet,
    PatchRecord,
    PatchReplicaSet,
)
from sluice.core.situation import Situation
from sluice.core.templates import template_hash
from sluice.core.tidy import clean_up, record_facts, shrink
from sluice.core.times import stamp

AT = "2026-01-01T10:00:00.000Z"


def situation(world: World) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    return Situation(world.observed(), world.d, world.rollout.policy, world.anchor.ref.uid)


def adopted(limit: int = 10) -> World:
    world = World()
    world.settle()
    world.edit(revision_history_limit=limit)
    return world


def add(world: World, number: int, role: Role, **annotations: str | None) -> ReplicaSet:
    """An idle ReplicaSet of ours of image web:<number>, which is its revision, and its record."""
    assert world.anchor is not None
    body, pod_hash = template(f"web:{number}"), f"hash{number}"
    named = {getattr(keys, key): value for key, value in annotations.items()}
    kept = {key: value for key, value in named.items() if value is not None}
    rs = ReplicaSet(
        world.ref(f"web-{pod_hash}"), world.now, world.anchor.ref.uid, 0,
        hashed(body, pod_hash), template_hash(body),
        labels={"app": "web", keys.HASH_LABEL: pod_hash, keys.ROLLOUT_LABEL: "web"},
        annotations={keys.ROLE: role, keys.REVISION: str(number), keys.RELEASE: "r", **kept},
    )  # fmt: skip
    world.replica_sets[rs.ref.name] = rs
    name = keys.record_name("web", rs.template_hash)
    world.records[name] = Record(
        world.ref(name), rs.template_hash, pod_hash, body, world.anchor.ref.uid
    )
    return rs


def deleted(world: World) -> set[str]:
    return {a.ref.name for a in clean_up(situation(world)) if isinstance(a, DeleteReplicaSet)}


def forgotten(world: World) -> set[str]:
    """The pod hashes of the records that are deleted."""
    names = {a.ref.name for a in clean_up(situation(world)) if isinstance(a, DeleteRecord)}
    return {world.records[name].pod_hash for name in names}


# --- history


@pytest.mark.parametrize(("limit", "kept"), [(0, {7}), (1, {7}), (2, {6, 7}), (10, {4, 5, 6, 7})])
def test_the_latest_versions_that_ran_are_kept_and_always_one(limit: int, kept: set[int]) -> None:
    world = adopted(limit)
    for number in (5, 4, 7, 6):
        add(world, number, Role.RETIRED, STABLE_AT=AT)
    assert deleted(world) == {f"web-hash{n}" for n in {4, 5, 6, 7} - kept}


def test_versions_from_before_the_adoption_are_history_as_well() -> None:
    world = adopted(1)
    add(world, 5, Role.RETIRED, RELEASE=None)
    add(world, 6, Role.RETIRED, STABLE_AT=AT)
    assert deleted(world) == {"web-hash5"}


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (1, 1), (5, 5), (10, 5)])
def test_rejected_versions_are_kept_up_to_the_limit_and_at_most_5(limit: int, kept: int) -> None:
    world = adopted(limit)
    for number in range(2, 9):
        add(world, number, Role.REJECTED, REJECTED_AT=AT)
    assert deleted(world) == {f"web-hash{n}" for n in range(2, 9 - kept)}


def test_rejected_versions_do_not_count_as_history() -> None:
    world = adopted(1)
    add(world, 2, Role.RETIRED, STABLE_AT=AT)
    for number in (3, 4):
        add(world, number, Role.REJECTED, REJECTED_AT=AT)
    assert deleted(world) == {"web-hash3"}


def test_of_releases_that_were_cancelled_only_the_highest_number_is_kept() -> None:
    """So that its number, and with it the id of its release, is not given once more."""
    world = adopted()
    add(world, 2, Role.RETIRED)
    add(world, 3, Role.RETIRED)
    assert deleted(world) == {"web-hash2"}
    assert forgotten(world) == {"hash2"}
    add(world, 4, Role.RETIRED, STABLE_AT=AT)
    assert deleted(world) == {"web-hash2", "web-hash3"}
    assert forgotten(world) == {"hash2", "hash3"}


def test_a_cancelled_version_is_kept_while_the_deployment_has_its_template() -> None:
    world = adopted()
    add(world, 2, Role.RETIRED)
    world.set_image("web:2")
    assert deleted(world) == set()


@pytest.mark.parametrize("pods", [{"replicas": 1}, {"status_replicas": 1}])
@pytest.mark.parametrize("role", [Role.RETIRED, Role.REJECTED])
def test_what_has_pods_is_never_deleted(role: Role, pods: dict[str, int]) -> None:
    world = adopted(0)
    rs = add(world, 2, role)
    world.replica_sets[rs.ref.name] = replace(rs, **pods)  # type: ignore[arg-type]
    assert clean_up(situation(world)) == ()


@pytest.mark.parametrize("role", [Role.CANARY, Role.RETURNING])
def test_what_is_under_way_is_never_deleted(role: Role) -> None:
    world = adopted(0)
    add(world, 2, role)
    assert clean_up(situation(world)) == ()


def test_the_stable_one_is_never_deleted_nor_its_record() -> None:
    world = adopted(0)
    world.edit(replicas=0)
    world.set_image("web:2")
    assert clean_up(situation(world)) == ()


# --- records


def test_the_record_of_a_lost_stable_replica_set_is_kept() -> None:
    world = adopted(0)
    world.set_image("web:2")
    del world.replica_sets["web-aaaa"]
    assert clean_up(situation(world)) == ()


def test_a_rejection_is_remembered_while_the_deployment_has_the_template() -> None:
    """With revisionHistoryLimit 0 the ReplicaSet goes, and its record alone knows."""
    world = adopted(0)
    rs = add(world, 2, Role.REJECTED, REJECTED_AT=AT)
    world.set_image("web:2")
    assert clean_up(situation(world)) == (), "the Deployment has its template: it tells why"
    del world.replica_sets[rs.ref.name]
    assert clean_up(situation(world)) == ()
    world.set_image("web:3")
    assert forgotten(world) == {"hash2"}


def test_a_record_goes_with_the_last_replica_set_of_its_template() -> None:
    world = adopted(1)
    add(world, 2, Role.RETIRED, STABLE_AT=AT)
    add(world, 3, Role.RETIRED, STABLE_AT=AT)
    assert deleted(world) == {"web-hash2"}
    assert forgotten(world) == {"hash2"}


def test_cleaning_up_twice_is_cleaning_up_once() -> None:
    world = adopted(1)
    for number in range(2, 7):
        add(world, number, Role.RETIRED if number % 2 else Role.REJECTED, STABLE_AT=AT)
    for action in clean_up(situation(world)):
        world.apply(action)
    assert clean_up(situation(world)) == ()


@pytest.mark.parametrize("limit", [0, 1, 10])
def test_one_command_goes_back_after_any_number_of_releases(limit: int) -> None:
    world = adopted(limit)
    for number in (2, 3):
        world.set_image(f"web:{number}")
        world.run(30)
        assert world.phase == "Healthy"
    assert (world.by_image("web:1") is None) is (limit < 2)
    world.command("rollback")
    world.run(5)
    assert world.phase == "RolledBack"
    assert world.by_image("web:2").replicas == 4  # type: ignore[union-attr]


# --- what is remembered on records


def facts(world: World) -> list[Any]:
    return list(record_facts(situation(world)))


def test_what_is_recorded_is_not_recorded_again() -> None:
    assert facts(adopted()) == []


def test_a_canary_records_how_often_its_template_was_tried() -> None:
    world = adopted()
    rs = add(world, 2, Role.CANARY, RELEASE="2-abcde-3")
    (patch,) = facts(world)
    assert isinstance(patch, PatchRecord)
    assert patch.annotations == {keys.TRIES: "3"}
    del world.records[keys.record_name("web", rs.template_hash)]
    (made,) = facts(world)
    assert isinstance(made, CreateRecord)
    assert made.annotations == {keys.POD_HASH: "hash2", keys.TRIES: "3"}
    assert made.data["template"] == template("web:2")
    assert made.labels == {keys.ROLLOUT_LABEL: "web", keys.TEMPLATE_LABEL: rs.template_hash}


def test_a_rejection_is_recorded_with_its_reason() -> None:
    world = adopted()
    add(world, 2, Role.REJECTED, REJECTED_AT=AT, REASON="errors")
    (patch,) = facts(world)
    assert isinstance(patch, PatchRecord)
    assert patch.annotations == {keys.REJECTED_AT: AT, keys.REASON: "errors"}
    world.apply(patch)
    assert facts(world) == []


def stable_since(world: World, number: int, role: Role, at: str) -> ReplicaSet:
    """An idle one, whose record says since when its template is stable."""
    rs = add(world, number, role, STABLE_AT=at)
    name = keys.record_name("web", rs.template_hash)
    world.records[name] = replace(world.records[name], stable_at=at)
    return rs


def test_the_stable_version_s_record_becomes_the_newest_and_stays_it() -> None:
    world = adopted()
    world.now += timedelta(minutes=1)
    assert facts(world) == [], "the time that passes makes no difference"
    stable_since(world, 2, Role.RETIRED, stamp(world.now))
    (patch,) = facts(world)
    stable = world.replica_sets["web-aaaa"]
    record = world.records[keys.record_name("web", stable.template_hash)]
    assert patch.ref == record.ref
    assert patch.annotations == {keys.STABLE_AT: stamp(world.now + timedelta(milliseconds=1))}
    world.apply(patch)
    assert facts(world) == []


def test_a_clock_that_was_set_back_does_not_make_an_earlier_version_the_newest() -> None:
    world = adopted()
    later = world.now + timedelta(hours=1)
    stable_since(world, 2, Role.RETIRED, stamp(later))
    (patch,) = facts(world)
    assert patch.annotations == {keys.STABLE_AT: stamp(later + timedelta(milliseconds=1))}


def test_the_record_of_a_stable_version_that_has_none_is_made() -> None:
    world = adopted()
    world.records.clear()
    (made,) = facts(world)
    assert isinstance(made, CreateRecord)
    assert made.annotations == {keys.POD_HASH: "aaaa", keys.STABLE_AT: stamp(world.now)}
    assert made.data["template"] == template("web:1")


def test_history_and_what_is_being_deleted_record_nothing() -> None:
    world = adopted()
    add(world, 2, Role.RETIRED, STABLE_AT=AT)
    rs = add(world, 3, Role.REJECTED, REJECTED_AT=AT)
    world.replica_sets[rs.ref.name] = replace(rs, deleting=True)
    assert facts(world) == []


# --- old sides


def leaving(available: int, role: Role, size: int = 4, **deployment: int) -> World:
    """A stable side with so many available pods, and an old one of this size."""
    world = adopted()
    world.deployment = replace(world.d, **deployment)  # type: ignore[arg-type]
    stable = world.replica_sets["web-aaaa"]
    world.replica_sets["web-aaaa"] = replace(stable, status_available=available)
    rs = add(world, 2, role, REJECTED_AT=AT if role is Role.REJECTED else None)
    world.replica_sets[rs.ref.name] = replace(
        rs, replicas=size, status_replicas=size, status_available=size
    )
    return world


@pytest.mark.parametrize(("available", "left"), [(0, None), (1, 3), (3, 1), (4, 0), (9, 0)])
def test_a_good_old_side_makes_room_for_what_is_available(available: int, left: int | None) -> None:
    patches = shrink(situation(leaving(available, Role.RETIRED)))
    assert [p.replicas for p in patches if isinstance(p, PatchReplicaSet)] == (
        [] if left is None else [left]
    )


@pytest.mark.parametrize("slack", [0, 1, 2, 3])
def test_a_bad_old_side_leaves_n_serving(slack: int) -> None:
    (patch,) = shrink(situation(leaving(1, Role.REJECTED, max_unavailable=slack)))
    assert isinstance(patch, PatchReplicaSet)
    assert (patch.replicas, patch.dangerous) == (3, True)


@pytest.mark.parametrize(("slack", "left"), [(0, 3), (1, 2), (2, 1), (3, 0)])
def test_a_bad_old_side_does_not_stay_for_pods_that_never_come(slack: int, left: int) -> None:
    world = leaving(1, Role.REJECTED, max_unavailable=slack)
    world.now += timedelta(seconds=world.policy.progress_deadline_seconds + 1)
    (patch,) = shrink(situation(world))
    assert isinstance(patch, PatchReplicaSet)
    assert (patch.replicas, patch.dangerous) == (left, True)


def test_more_replicas_in_mid_release_keep_the_old_side() -> None:
    assert shrink(situation(leaving(4, Role.RETIRED, replicas=8))) == ()


def test_a_count_that_the_controller_has_not_renewed_takes_no_pod() -> None:
    world = leaving(4, Role.RETIRED)
    stable = world.replica_sets["web-aaaa"]
    world.replica_sets["web-aaaa"] = replace(stable, generation=2)
    assert shrink(situation(world)) == ()


def test_nothing_shrinks_while_the_deployment_owns_nothing() -> None:
    world = leaving(4, Role.RETIRED)
    del world.replica_sets["web-aaaa"]
    assert shrink(situation(world)) == ()
