"""What a user changes while a release is under way."""

from __future__ import annotations

from scripts.script import Given, Script, Then
from scripts.steps import (
    At,
    Command,
    DeleteReplicaSet,
    DeleteRollout,
    Deploy,
    Edit,
    EditRollout,
    Rest,
    Until,
    UntilRolloutGone,
)

APPROVED_STEP = (At(25, approval=True),)

EDITS = (
    Script(
        "a newer template in mid-release replaces the canary",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            Deploy("v3"),
            Until("Paused", step=1, version="v3"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v3", result="done", rejections_told=0),
    ),
    Script(
        "back to the stable template in mid-release cancels it",
        given=Given(steps=APPROVED_STEP),
        when=(Deploy("v2"), Until("Paused", version="v2"), Deploy("v1")),
        then=Then("Healthy", stable="v1", rejections_told=0),
    ),
    Script(
        "template and replicas in one edit",
        when=(Deploy("v2", replicas=4),),
        then=Then("Healthy", stable="v2", replicas=4),
    ),
    Script(
        "steps edited in mid-release go on from the present weight",
        given=Given(steps=(At(10, approval=True), At(50))),
        when=(
            Deploy("v2"),
            Until("Paused", step=1),
            EditRollout(steps=(At(5, approval=True), At(20, approval=True), At(50))),
            Until("Paused", step=2),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done"),
    ),
    Script(
        "strategy Recreate is refused until it is set back",
        when=(
            Edit(strategy="Recreate"),
            Until("Stalled"),
            Deploy("v2"),
            Rest("Stalled", stable="v1"),
            Edit(strategy="RollingUpdate"),
        ),
        then=Then("Healthy", stable="v2"),
    ),
    Script(
        "the canary's ReplicaSet is deleted in mid-release",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            DeleteReplicaSet("v2"),
            Rest("Paused", stable="v1"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done"),
    ),
    Script(
        "the stable ReplicaSet is deleted in mid-release",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            DeleteReplicaSet("v1"),
            Rest("Paused", stable="v1"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done"),
        never_below=0,
        because="the user deletes the stable pods",
    ),
    Script(
        "the Rollout is deleted in mid-release",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            DeleteRollout(),
            UntilRolloutGone(),
        ),
        then=Then("", stable="v1", versions=("v1",), paused=False, labels="none"),
    ),
)
