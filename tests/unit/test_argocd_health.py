"""Argo CD's health checks in deploy/argocd, in a real Lua, in every phase of a Rollout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from world import World

from judges import argocd, table
from judges.argocd import CHECKS, FOLDER, Health
from judges.table import Row
from sluice.api.status import to_wire
from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.policy import Policy, Step
from sluice.core.table import Phase


def rollout_of(world: World) -> dict[str, Any]:
    """The Rollout as the operator has written it after its last pass."""
    rollout, status = world.rollout, world.plan.status
    assert rollout is not None
    assert status is not None
    wire = to_wire(status, previous={}, generation=rollout.generation, now=world.now)
    metadata = {"name": rollout.ref.name, "generation": rollout.generation}
    return {"kind": "Rollout", "metadata": metadata, "status": wire}


def deployment_of(world: World) -> dict[str, Any]:
    """The Deployment as its controller counts the pods of the ReplicaSets that it owns."""
    deployment = world.d
    owned = [rs for rs in world.replica_sets.values() if rs.owner_uid == deployment.ref.uid]
    updated = [rs for rs in owned if rs.template_hash == deployment.template_hash]
    own_rollout = not deployment.paused
    return {
        "kind": "Deployment",
        "metadata": {
            "name": deployment.ref.name,
            "generation": deployment.generation,
            "labels": dict(deployment.labels),
        },
        "spec": {"paused": deployment.paused, "replicas": deployment.replicas},
        "status": {
            "observedGeneration": deployment.observed_generation,
            "replicas": sum(rs.status_replicas for rs in owned),
            "updatedReplicas": (
                deployment.updated_replicas
                if own_rollout
                else sum(rs.status_replicas for rs in updated)
            ),
            "availableReplicas": sum(rs.status_available for rs in owned),
        },
    }


# --- a world in each row of the table


def at_rest(*steps: Step) -> World:
    policy = Policy("web", steps=steps or (Step(25, 10.0), Step(50, 10.0)))
    world = World(policy=policy)
    world.settle()
    return world


def released(*steps: Step) -> World:
    """web:2 on its way, as far as it comes without time passing."""
    world = at_rest(*steps)
    world.set_image("web:2")
    world.settle()
    return world


def pods_away() -> World:
    world = at_rest()
    world.fail("web:1")
    world.settle()
    return world


def adopting() -> World:
    world = World()
    world.edit(updated_replicas=1)
    world.settle()
    return world


def growing() -> World:
    world = at_rest()
    world.fail("web:2")
    world.set_image("web:2")
    world.settle()
    return world


def waiting() -> World:
    world = released(Step(25, 1.0, approval_required=True))
    world.run(2)
    return world


def empty() -> World:
    world = at_rest()
    world.edit(replicas=0)
    world.set_image("web:2")
    world.settle()
    return world


def promoting() -> World:
    world = released(Step(25, 1.0))
    world.at_most["web:2"] = 1
    world.run(2)
    return world


def canary_leaves() -> World:
    """In the pass between the command and its end: in the model pods leave at once."""
    world = waiting()
    world.command("abort")
    while world.plan.status is None or world.phase != Phase.ROLLING_BACK:
        world.one_pass()
        canary = world.by_image("web:2")
        if canary is not None and canary.replicas == 0:
            world.change(canary, status_replicas=1)
    return world


def returning() -> World:
    world = released(Step(25, 1.0))
    world.run(5)
    world.fail("web:1")
    world.command("rollback")
    world.settle()
    return world


def rolled_back() -> World:
    world = waiting()
    world.command("abort")
    world.settle()
    return world


def stalled() -> World:
    world = at_rest()
    world.edit(strategy="Recreate")
    world.settle()
    return world


def missing() -> World:
    world = World()
    world.deployment = None
    world.settle()
    return world


def invalid() -> World:
    world = at_rest()
    world.set_policy(None, "spec.canary.steps is empty: write at least 1 item")
    world.settle()
    return world


WORLDS: dict[Row, Callable[[], World]] = {
    table.HEALTHY: at_rest,
    table.PODS_AWAY: pods_away,
    table.ADOPTING: adopting,
    table.PROGRESSING: growing,
    table.STEPPING: released,
    table.PAUSED: waiting,
    table.PAUSED_EMPTY: empty,
    table.PROMOTING: promoting,
    table.CANARY_LEAVES: canary_leaves,
    table.RETURNING: returning,
    table.ROLLED_BACK: rolled_back,
    table.STALLED: stalled,
    table.MISSING: missing,
    table.INVALID: invalid,
}
rows = pytest.mark.parametrize("row", WORLDS, ids=lambda row: f"{row.phase}-{row.when}")


@rows
def test_a_rollout_in_every_phase(row: Row) -> None:
    world = WORLDS[row]()
    assert world.phase == row.phase

    verdict = argocd.health(rollout_of(world))

    assert verdict == Health(row.verdicts.argocd, world.message)


@rows
def test_its_deployment_in_every_phase(row: Row) -> None:
    world = WORLDS[row]()
    if world.deployment is None:
        assert row is table.MISSING
        return

    verdict = argocd.health(deployment_of(world))

    assert verdict.status == row.verdicts.deployment_argocd, verdict
    assert bool(verdict.message) == (verdict.status != "Healthy")


def test_every_row_and_every_phase_is_judged() -> None:
    assert set(WORLDS) == set(table.ROWS)
    assert {row.phase for row in table.ROWS} == {phase.value for phase in Phase}


# --- beside the phases


def test_a_rollout_that_sluice_has_not_seen_is_progressing() -> None:
    seen = rollout_of(at_rest())
    changed = {**seen, "metadata": {**seen["metadata"], "generation": 2}}
    new = {"kind": "Rollout", "metadata": {"name": "web", "generation": 1}}
    # What the API server may give as a default.
    unseen = {**new, "status": {"observedGeneration": -1}}

    assert argocd.health(seen).status == "Healthy"
    for item in (changed, new, unseen):
        assert argocd.health(item).status == "Progressing"


def test_what_is_being_deleted_is_progressing() -> None:
    item = rollout_of(at_rest())
    item["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"

    assert argocd.health(item) == Health("Progressing", "Pending deletion")


def test_a_rollout_beside_an_older_one_is_degraded() -> None:
    world = World()
    world.plan = decide(replace(world.observed(), rival="older"))

    assert argocd.health(rollout_of(world)) == Health("Degraded", world.message)


def deployment(
    *, labels: dict[str, str] | None = None, paused: bool = False, **changes: Any
) -> dict[str, Any]:
    """A Deployment of three pods, complete; `changes` are fields of its status."""
    status = {
        "observedGeneration": 4,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
        **changes,
    }
    spec = {"replicas": 3, **({"paused": True} if paused else {})}
    metadata = {"name": "web", "generation": 4, **({"labels": labels} if labels else {})}
    return {"kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}


OVERDUE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
ADOPTED = {keys.ROLLOUT_LABEL: "web"}


@pytest.mark.parametrize("labels", [None, {"app": "web"}, ADOPTED])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Health("Healthy", "")),
        (
            {"observedGeneration": 3},
            Health(
                "Progressing",
                "The Deployment's last change has not been seen by its controller yet",
            ),
        ),
        (
            {"conditions": OVERDUE},
            Health("Degraded", "The Deployment has exceeded its progress deadline"),
        ),
        (
            {"updatedReplicas": 1},
            Health("Progressing", "1 of 3 pods have the Deployment's template"),
        ),
        (
            {"replicas": 5},
            Health("Progressing", "2 pods of an earlier template are left"),
        ),
        (
            {"availableReplicas": 2},
            Health("Progressing", "2 of 3 pods are available"),
        ),
    ],
)
def test_a_deployment_that_rolls_is_judged_as_argo_cd_does(
    labels: dict[str, str] | None, changes: dict[str, Any], expected: Health
) -> None:
    assert argocd.health(deployment(labels=labels, **changes)) == expected


def test_a_paused_deployment_is_suspended_unless_it_is_adopted() -> None:
    suspended = Health("Suspended", "The Deployment is paused")

    assert argocd.health(deployment(paused=True)) == suspended
    assert argocd.health(deployment(paused=True, labels={"app": "web"})) == suspended
    assert argocd.health(deployment(paused=True, labels=ADOPTED)) == Health("Healthy", "")


def test_a_new_deployment_without_status_is_progressing() -> None:
    item = {**deployment(), "status": {}}

    assert argocd.health(item).status == "Progressing"


# --- what is shipped and what is said


def test_the_patch_of_argocd_cm_has_the_scripts_word_for_word() -> None:
    """After a change of a script: put it into the patch, indented by four spaces."""
    patch = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())

    assert patch == {
        "data": {
            "resource.customizations.health.sluice.dev_Rollout": CHECKS["Rollout"].read_text(),
            "resource.customizations.health.apps_Deployment": CHECKS["Deployment"].read_text(),
        }
    }


def test_the_documentation_shows_the_table_of_the_tests() -> None:
    """After a change of the table: put what `judges.table.markdown()` gives into the page."""
    page = (FOLDER.parents[1] / "docs" / "health.md").read_text()

    assert table.markdown() in page
