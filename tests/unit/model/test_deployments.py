"""The Deployment controller of the model, case by case as the real one was read and seen."""

from __future__ import annotations

from typing import Any

import pytest
from world import World, template

from sluice.core import keys
from sluice.core.objects import ReplicaSet
from sluice.model import api, controllers, people
from sluice.model.cluster import Cluster, Strategy
from sluice.model.deployments import controller_hash


def cluster(replicas: int = 4, **fields: Any) -> Cluster:
    """A Deployment that runs web:1, before any Rollout."""
    made = Cluster(strategy=Strategy(1, 1))
    people.create_deployment(made, "web", template("web:1"), replicas, **fields)
    controllers.at_rest(made)
    return made


def of(made: Cluster, image: str) -> ReplicaSet:
    sets = made.replica_sets.values()
    return next(rs for rs in sets if rs.template["spec"]["containers"][0]["image"] == image)


def sizes(made: Cluster) -> dict[str, int]:
    sets = made.replica_sets.values()
    return {rs.template["spec"]["containers"][0]["image"]: rs.replicas for rs in sets}


def beside(made: Cluster, image: str, replicas: int, **fields: Any) -> ReplicaSet:
    """One more ReplicaSet that the Deployment owns."""
    body = template(image)
    labels = body["metadata"]["labels"]
    fields = {"owner_uid": made.d.ref.uid, "annotations": {}, **fields}
    return api.create_replica_set(
        made, f"web-{image[-1]}", template=body, pod_hash=image[-1], labels=labels,
        replicas=replicas, **fields,
    )  # fmt: skip


def test_a_new_deployment_gets_a_replica_set_of_its_template_and_revision_1() -> None:
    made = cluster()
    rs = of(made, "web:1")
    assert (rs.replicas, rs.status_available, rs.revision) == (4, 4, 1)
    assert rs.ref.name == f"web-{controller_hash(template('web:1'), 0)}"
    assert made.d.annotations[keys.REVISION] == "1"
    assert (made.d.updated_replicas, made.d.status_replicas, made.d.available_replicas) == (4, 4, 4)
    assert made.d.observed


def test_an_unpaused_deployment_rolls_within_max_surge_and_max_unavailable() -> None:
    made = cluster(6)
    made.write_deployment(template=template("web:2"))
    seen = []
    for _ in range(30):
        controllers.one_round(made)
        seen.append((sum(sizes(made).values()), made.ready()))
    assert max(total for total, _ in seen) == 7
    assert min(ready for _, ready in seen) == 5
    assert sizes(made) == {"web:1": 0, "web:2": 6}
    assert of(made, "web:2").revision == 2


def test_a_roll_to_a_version_that_does_not_come_up_stops_where_max_unavailable_does() -> None:
    made = cluster()
    made.kubelet.failing.add("web:2")
    made.write_deployment(template=template("web:2"))
    controllers.at_rest(made)
    assert made.ready() == 3
    assert sizes(made) == {"web:1": 3, "web:2": 2}


def test_an_equal_replica_set_is_found_again_and_of_two_the_oldest() -> None:
    made = cluster()
    made.write_deployment(template=template("web:2"))
    controllers.at_rest(made)
    first = of(made, "web:1")
    made.write_deployment(template=template("web:1"))
    controllers.at_rest(made)
    again = of(made, "web:1")
    assert again.ref.uid == first.ref.uid
    assert (again.replicas, again.revision) == (4, 3)
    assert again.annotations["deployment.kubernetes.io/revision-history"] == "1"


def test_a_paused_deployment_never_makes_a_replica_set() -> None:
    made = cluster()
    made.write_deployment(paused=True, template=template("web:2"))
    controllers.at_rest(made)
    assert sizes(made) == {"web:1": 4}
    assert made.d.updated_replicas == 0
    people.delete_replica_set(made, of(made, "web:1").ref.name)
    controllers.at_rest(made)
    assert made.replica_sets == {}
    assert made.ready() == 0


def test_a_paused_deployment_keeps_the_one_that_it_owns_at_its_replicas() -> None:
    made = cluster()
    made.write_deployment(paused=True, template=template("web:2"))
    made.write_deployment(replicas=7)
    controllers.at_rest(made)
    assert sizes(made) == {"web:1": 7}


def test_of_several_at_0_a_paused_deployment_raises_the_newest() -> None:
    made = cluster(0)
    made.write_deployment(paused=True)
    made.write_deployment(template=template("web:9"))
    made.now = made.now.replace(hour=1)
    beside(made, "web:2", 0)
    made.write_deployment(replicas=3)
    controllers.at_rest(made)
    assert sizes(made) == {"web:1": 0, "web:2": 3}


def test_of_several_at_0_a_paused_deployment_raises_the_one_of_its_template() -> None:
    made = cluster(0)
    made.write_deployment(paused=True)
    made.now = made.now.replace(hour=1)
    beside(made, "web:2", 0)
    made.write_deployment(replicas=3)
    controllers.at_rest(made)
    assert sizes(made) == {"web:1": 3, "web:2": 0}


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (4, {"web:1": 4, "web:2": 1}),
        (8, {"web:1": 7, "web:2": 2}),
        (2, {"web:1": 2, "web:2": 1}),
        (0, {"web:1": 0, "web:2": 0}),
    ],
)
def test_several_active_ones_are_scaled_in_proportion(
    replicas: int, expected: dict[str, int]
) -> None:
    """With maxSurge 1, and the template of neither in the Deployment."""
    made = cluster()
    made.write_deployment(paused=True, template=template("web:9"))
    beside(made, "web:2", 1)
    made.write_deployment(replicas=replicas)
    controllers.at_rest(made)
    assert sizes(made) == expected


def test_old_ones_go_to_0_beside_a_new_one_that_is_whole() -> None:
    made = cluster()
    made.write_deployment(paused=True)
    beside(made, "web:2", 1)
    controllers.at_rest(made)
    assert sizes(made) == {"web:1": 4, "web:2": 0}


def test_clean_up_deletes_the_lowest_revisions_that_have_no_pod() -> None:
    made = cluster(revision_history_limit=1)
    for number in (2, 3, 4):
        made.write_deployment(template=template(f"web:{number}"))
        controllers.at_rest(made)
    assert sizes(made) == {"web:3": 0, "web:4": 4}


def test_clean_up_also_takes_the_only_one_of_a_paused_deployment_at_0() -> None:
    """An outage: nothing brings it back when the Deployment is scaled up."""
    made = cluster(revision_history_limit=0)
    made.write_deployment(paused=True, template=template("web:2"), replicas=0)
    controllers.at_rest(made)
    made.write_deployment(replicas=4)
    controllers.at_rest(made)
    assert made.replica_sets == {}


def test_what_matches_and_has_no_owner_is_adopted_and_what_does_not_match_is_let_go() -> None:
    made = cluster()
    made.write_deployment(paused=True)
    stray = beside(made, "web:2", 0, owner_uid=None)
    controllers.at_rest(made)
    assert of(made, "web:2").owner_uid == made.d.ref.uid
    made.write_replica_set(stray.ref.name, labels={"app": "other"})
    controllers.at_rest(made)
    assert of(made, "web:2").owner_uid is None


def test_annotations_of_the_deployment_are_copied_onto_the_one_of_its_template() -> None:
    made = cluster()
    made.write_deployment(paused=True, annotations={**made.d.annotations, "note": "x"})
    controllers.at_rest(made)
    assert of(made, "web:1").annotations["note"] == "x"


def test_a_name_that_another_template_holds_is_passed_over() -> None:
    made = cluster()
    taken = f"web-{controller_hash(template('web:2'), 0)}"
    api.create_replica_set(
        made, taken, template=template("web:3"), pod_hash="x", labels={"app": "other"},
        replicas=0, owner_uid=None, annotations={},
    )  # fmt: skip
    made.write_deployment(template=template("web:2"))
    controllers.at_rest(made)
    assert made.collisions == 1
    assert of(made, "web:2").replicas == 4


def test_the_status_is_a_round_behind_and_annotations_count_as_a_change() -> None:
    made = cluster()
    made.write_deployment(annotations={"note": "x"})
    before = made.d
    controllers.one_round(made)
    assert (before.observed, made.d.observed) == (False, True)
    made.write_deployment(replicas=6)
    controllers.one_round(made)
    assert (of(made, "web:1").status_available, made.d.available_replicas) == (6, 4)
    controllers.one_round(made)
    assert made.d.available_replicas == 6


# --- garbage


def test_what_a_deleted_deployment_owned_goes_and_its_pods_after_it() -> None:
    made = cluster()
    people.delete_deployment(made)
    controllers.one_round(made)
    assert made.replica_sets == {}
    controllers.one_round(made)
    assert made.ready() == 0


def test_orphans_serve_on_and_are_adopted_by_a_deployment_of_the_same_selector() -> None:
    made = cluster()
    people.delete_deployment(made, orphan=True)
    controllers.at_rest(made)
    assert made.ready() == 4
    people.create_deployment(made, "web", template("web:1"), 4)
    controllers.at_rest(made)
    assert of(made, "web:1").owner_uid == made.d.ref.uid
    assert (len(made.replica_sets), made.ready()) == (1, 4)


def test_pods_that_survived_their_replica_set_are_taken_back_by_one_of_the_same_hash() -> None:
    world = World(rolls=True, collects=True)
    people.delete_replica_set(world, "web-aaaa", orphan=True)
    controllers.let_pods_go(world)
    assert (world.replica_sets, world.ready()) == ({}, 4)
    names = {pod.name for pod in world.kubelet.pods}
    api.create_replica_set(
        world, "web-aaaa", template=template("web:1"), pod_hash="aaaa", labels={"app": "web"},
        replicas=4, owner_uid=world.d.ref.uid, annotations={},
    )  # fmt: skip
    world.controllers()
    assert {pod.name for pod in world.kubelet.pods} == names


def test_a_deployment_that_is_deleted_in_the_foreground_goes_last() -> None:
    made = cluster()
    made.write_deployment(deleting=True)
    left = []
    for _ in range(2):
        controllers.one_round(made)
        left.append((len(made.replica_sets), made.deployment is not None))
    assert left == [(0, True), (0, False)]
