"""Taking a plain Deployment up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import START, World, hashed, template

from sluice.core import keys
from sluice.core.adoption import Waiting, adopt, is_adopted
from sluice.core.decide import decide
from sluice.core.objects import ReplicaSet, Role
from sluice.core.plan import (
    Action,
    CreateRecord,
    CreateReplicaSet,
    DeleteReplicaSet,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
)
from sluice.core.templates import template_hash
from sluice.core.times import stamp


def anchored(**changes: Any) -> World:
    """A world with finalizer and anchor, whose Deployment is not adopted yet."""
    world = World(**changes)
    world.one_pass()
    assert world.anchor is not None
    assert not is_adopted(world.observed(), world.d)
    return world


def adoption(world: World) -> tuple[Action, ...]:
    outcome = adopt(world.observed(), world.d)
    assert not isinstance(outcome, Waiting), outcome.sentence
    return outcome


# Record, marks, gate, and the word on the anchor.
WHOLE = [CreateRecord, PatchReplicaSet, PatchDeployment, PatchRecord]


def kinds(actions: tuple[Action, ...]) -> list[type]:
    return [type(action) for action in actions]


def refusal(world: World) -> str:
    outcome = adopt(world.observed(), world.d)
    assert isinstance(outcome, Waiting)
    return outcome.sentence


def another(
    world: World, name: str = "web-bbbb", image: str = "web:0", **changes: Any
) -> ReplicaSet:
    """One more ReplicaSet of the Deployment, without pods."""
    body = template(image)
    rs = ReplicaSet(
        world.ref(name), START - timedelta(days=1), world.d.ref.uid, 0,
        hashed(body, "bbbb"), template_hash(body),
        labels={"app": "web", keys.HASH_LABEL: "bbbb"}, annotations={keys.REVISION: "0"},
    )  # fmt: skip
    world.replica_sets[name] = replace(rs, **changes)
    return world.replica_sets[name]


def test_finalizer_and_anchor_come_before_anything_of_the_deployment_is_changed() -> None:
    finalizer, anchor = decide(World().observed()).actions
    assert isinstance(finalizer, PatchRollout)
    assert finalizer.finalizers == (keys.FINALIZER,)
    assert isinstance(anchor, CreateRecord)
    assert anchor.owner is None
    assert anchor.name == "sluice-web"


def test_the_gate_is_shut_last_but_for_the_word_on_the_anchor() -> None:
    world = anchored()
    record, marks, gate, word = adoption(world)
    assert isinstance(record, CreateRecord)
    assert record.data["template"] == template("web:1")
    assert record.annotations[keys.POD_HASH] == "aaaa"
    assert record.owner is not None
    assert record.owner.uid == world.anchor.ref.uid  # type: ignore[union-attr]
    assert isinstance(marks, PatchReplicaSet)
    assert marks.annotations[keys.ROLE] is Role.STABLE
    assert marks.labels == {keys.ROLLOUT_LABEL: "web"}
    assert (marks.replicas, marks.owner) == (None, None)
    assert isinstance(gate, PatchDeployment)
    assert (gate.paused, gate.template) == (True, None)
    assert isinstance(word, PatchRecord)
    assert word.ref == world.anchor.ref  # type: ignore[union-attr]
    assert word.annotations == {keys.ADOPTED: stamp(world.now)}


def test_what_is_there_already_is_not_written_again() -> None:
    world = anchored()
    record, marks, gate, word = adoption(world)
    world.apply(record)
    assert adoption(world) == (marks, gate, word)
    world.apply(marks)
    assert adoption(world) == (gate, word)
    assert not is_adopted(world.observed(), world.d)
    world.apply(gate)
    world.controllers()
    assert is_adopted(world.observed(), world.d), "killed before the word on the anchor"
    assert adoption(world) == (word,)
    world.apply(word)
    assert is_adopted(world.observed(), world.d)


def test_the_record_and_the_replica_set_are_stable_since_the_same_instant() -> None:
    record, marks, *_ = adoption(anchored())
    assert isinstance(record, CreateRecord)
    assert isinstance(marks, PatchReplicaSet)
    assert record.annotations[keys.STABLE_AT] == marks.annotations[keys.STABLE_AT]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"generation": 2}, "waits until the Deployment controller has seen web"),
        ({"updated_replicas": 2}, "2 of 4 pods updated, 4 available"),
        ({"available_replicas": 3}, "4 of 4 pods updated, 3 available"),
        ({"status_replicas": 5}, "has finished its own rollout"),
    ],
)
def test_a_deployment_that_is_on_its_way_is_awaited(changes: dict[str, int], said: str) -> None:
    world = anchored()
    world.deployment = replace(world.d, **changes)  # type: ignore[arg-type]
    assert said in refusal(world)


def test_a_deployment_whose_template_never_ran_is_awaited() -> None:
    world = anchored()
    world.set_image("web:2")
    assert refusal(world) == "waits until Deployment web has rolled its template out"


def test_a_paused_deployment_with_a_new_template_says_what_to_do() -> None:
    world = anchored()
    world.edit(paused=True, template=template("web:2"))
    assert refusal(world).endswith("; it is paused: unpause it once")


def test_a_second_replica_set_with_pods_is_awaited() -> None:
    world = anchored()
    another(world, replicas=1, status_replicas=1)
    assert "has finished its own rollout" in refusal(world)


@pytest.mark.parametrize("changes", [{"owner_uid": "other"}, {"deleting": True}])
def test_what_is_not_the_deployments_is_not_awaited(changes: dict[str, Any]) -> None:
    world = anchored()
    another(world, replicas=1, status_replicas=1, **changes)
    assert kinds(adoption(world)) == WHOLE


def test_a_replica_set_that_is_being_deleted_is_not_the_stable_one() -> None:
    world = anchored()
    only = world.replica_sets["web-aaaa"]
    world.replica_sets["web-aaaa"] = replace(only, deleting=True)
    assert "has rolled its template out" in refusal(world)


def test_a_deployment_at_0_replicas_is_adopted() -> None:
    assert kinds(adoption(anchored(replicas=0))) == WHOLE


def test_the_history_is_taken_over_after_adoption_and_kept() -> None:
    world = anchored()
    another(world)
    world.settle()
    old = world.replica_sets["web-bbbb"]
    assert world.phase == "Healthy"
    assert old.owner_uid == world.anchor.ref.uid  # type: ignore[union-attr]
    assert (old.role, old.replicas) == (Role.RETIRED, 0)
    assert keys.STABLE_AT not in old.annotations


def test_only_the_running_version_counts_as_once_stable() -> None:
    """A template of before adoption is released by steps, not as a revert."""
    world = anchored()
    another(world)
    world.settle()
    world.set_image("web:0")
    world.settle()
    assert world.replica_sets["web-bbbb"].role is Role.CANARY


@pytest.mark.parametrize("role", [Role.CANARY, Role.RETURNING, Role.STABLE])
def test_what_was_under_way_before_the_gate_was_taken_away_is_over(role: Role) -> None:
    world = anchored()
    left = {keys.ROLE: role, keys.SWAP: "uid-x", keys.STEP: "1"}
    another(world, owner_uid="anchor", annotations=left)
    patches = [a for a in adoption(world) if isinstance(a, PatchReplicaSet)]
    (patch,) = (a for a in patches if a.ref.name == "web-bbbb")
    assert patch.annotations[keys.ROLE] is Role.RETIRED
    assert patch.annotations[keys.SWAP] is None
    assert patch.annotations[keys.STEP] is None


def test_a_rejected_version_stays_rejected_when_the_deployment_is_adopted_again() -> None:
    world = anchored()
    another(world, owner_uid="anchor", annotations={keys.ROLE: Role.REJECTED})
    assert [a.ref.name for a in adoption(world) if isinstance(a, PatchReplicaSet)] == ["web-aaaa"]


def marked(
    world: World, label: str | None = None, paused: bool = False, role: Role | None = None
) -> World:
    """With these marks, whoever wrote them, on the Deployment and on its ReplicaSet."""
    labels = {keys.ROLLOUT_LABEL: label} if label else {}
    world.deployment = replace(world.d, labels=labels, paused=paused)
    only = world.replica_sets["web-aaaa"]
    annotations = {keys.ROLE: str(role)} if role else {}
    world.replica_sets["web-aaaa"] = replace(only, annotations=annotations)
    return world


MARKS = [
    ("web", False, None),
    ("web", True, Role.STABLE),
    ("other", True, None),
    (None, True, Role.STABLE),
    (None, False, Role.STABLE),
    (None, False, None),
]


@pytest.mark.parametrize(("label", "paused", "role"), MARKS)
@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"adopted": True}, True),
        ({"adopted": True, "given_back": True}, False),
        ({"adopted": True, "deployment_uid": "uid-of-another"}, False),
    ],
    ids=["adopted", "given back", "another Deployment"],
)
def test_the_anchor_says_whether_a_deployment_is_ours_whatever_is_marked(
    label: str | None, paused: bool, role: Role | None, changes: dict[str, Any], result: bool
) -> None:
    world = marked(anchored(), label, paused, role)
    world.anchor = replace(world.anchor, **changes)  # type: ignore[type-var]
    assert is_adopted(world.observed(), world.d) is result


@pytest.mark.parametrize(
    ("label", "paused", "role", "result"),
    [
        ("web", True, Role.STABLE, True),
        ("web", False, Role.STABLE, False),
        ("web", True, None, False),
        ("web", True, Role.RETIRED, False),
        ("other", True, Role.STABLE, False),
        (None, True, Role.STABLE, False),
    ],
)
def test_before_the_anchor_says_so_only_the_whole_gate_does(
    label: str | None, paused: bool, role: Role | None, result: bool
) -> None:
    world = marked(anchored(), label, paused, role)
    assert is_adopted(world.observed(), world.d) is result
    world.anchor = replace(world.anchor, given_back=True)  # type: ignore[type-var]
    assert not is_adopted(world.observed(), world.d)


def test_without_an_anchor_nothing_is_ours() -> None:
    world = marked(World(), "web", paused=True, role=Role.STABLE)
    assert not is_adopted(world.observed(), world.d)


def test_a_stale_snapshot_adopts_nothing() -> None:
    plan = decide(replace(anchored().observed(), fresh=False))
    assert plan.needs_fresh
    assert not plan.actions


def test_adoption_makes_and_deletes_no_replica_set() -> None:
    world = anchored()
    another(world)
    world.settle()
    assert not [a for a in world.actions if isinstance(a, CreateReplicaSet | DeleteReplicaSet)]
    assert world.least_serving == 4
