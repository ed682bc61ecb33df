"""Argo CD's health checks in deploy/argocd, in a real Lua, in every phase of a Rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from world import World

from judges import argocd, table
from judges.argocd import CHECKS, FOLDER, Health
from judges.table import Row
from judges.worlds import WORLDS, at_rest, deployment_of, rollout_of
from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.table import Phase

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
