"""Rejected versions, and the way back."""

from __future__ import annotations

from scripts.script import Given, Script, Then
from scripts.steps import (
    At,
    Break,
    Command,
    DeleteReplicaSet,
    Deploy,
    Edit,
    EditRollout,
    Rest,
    Step,
    Until,
)

APPROVED_STEP = (At(25, approval=True),)
REJECT_V2: tuple[Step, ...] = (
    Deploy("v2"),
    Until("Paused", version="v2"),
    Command("abort"),
    Rest("RolledBack", stable="v1"),
)


def synced(number: int) -> Edit:
    """GitOps applies the manifest again: only a note of its own changes."""
    return Edit(annotations={"gitops/synced": str(number)})


ROLLBACKS = (
    Script(
        "pods that never get ready are rolled back",
        given=Given(progress_deadline_seconds=3),
        when=(Break("v2"), Deploy("v2")),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",), rejections_told=1),
    ),
    Script(
        "a rejected template applied again is left alone and told once",
        given=Given(steps=APPROVED_STEP),
        when=(
            *REJECT_V2,
            synced(1),
            Rest("RolledBack", stable="v1"),
            Deploy("v1"),
            Rest("Healthy", stable="v1"),
            Deploy("v2"),
            Rest("RolledBack", stable="v1"),
            synced(2),
        ),
        then=Then(
            "RolledBack",
            stable="v1",
            template="v2",
            rejected=("v2",),
            result="done",
            rejections_told=1,
        ),
    ),
    Script(
        "rollback=N to an older revision",
        when=(
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            Deploy("v3"),
            Rest("Healthy", stable="v3"),
            Command("rollback=1"),
        ),
        then=Then("RolledBack", stable="v1", template="v3", rejected=("v3",), result="done"),
    ),
    Script(
        "a rollback whose target does not come up stops and keeps both",
        when=(
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            EditRollout(progress_deadline_seconds=3),
            Break("v1"),
            Command("rollback"),
        ),
        then=Then("Stalled", stable="v2", rejected=("v2",), kept=(("v1", 3),), result="under way"),
    ),
    Script(
        "revisionHistoryLimit 0 still goes back once",
        given=Given(revision_history_limit=0),
        when=(
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            Deploy("v3"),
            Rest("Healthy", stable="v3"),
            Command("rollback"),
        ),
        then=Then(
            "RolledBack",
            stable="v2",
            template="v3",
            rejected=("v3",),
            versions=("v2", "v3"),
            result="done",
        ),
    ),
    Script(
        "revisionHistoryLimit 0 forgets no rejection",
        given=Given(steps=APPROVED_STEP, revision_history_limit=0),
        when=(*REJECT_V2, DeleteReplicaSet("v2")),
        then=Then(
            "RolledBack",
            stable="v1",
            template="v2",
            rejected=("v2",),
            versions=("v1",),
            result="done",
        ),
    ),
    Script(
        "revisionHistoryLimit 1 keeps one earlier version",
        given=Given(revision_history_limit=1),
        when=(
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            Deploy("v3"),
            Rest("Healthy", stable="v3"),
            Command("rollback=1"),
        ),
        then=Then("Healthy", stable="v3", versions=("v2", "v3"), result="refused"),
    ),
)
