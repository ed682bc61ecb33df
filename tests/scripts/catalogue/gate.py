"""Who interferes with the gate, the labels, or the Rollout's place."""

from __future__ import annotations

from scripts.catalogue.rollbacks import REJECT_V2
from scripts.script import Given, Script, Then
from scripts.steps import (
    At,
    Command,
    CreateRival,
    DeleteRollout,
    Deploy,
    Edit,
    Rest,
    Step,
    UnlabelDeployment,
    UnlabelReplicaSet,
    Until,
    UntilRivalSays,
    UntilRolloutGone,
    UntilShut,
)

APPROVED_STEP = (At(25, approval=True),)
UNPAUSED: tuple[Step, ...] = (Edit(paused=False), UntilShut())

GATE = (
    Script(
        "unpaused by hand at rest",
        when=(Deploy("v2"), Rest("Healthy", stable="v2"), *UNPAUSED),
        then=Then("Healthy", stable="v2", versions=("v1", "v2"), conditions=("Conflict",)),
    ),
    Script(
        "unpaused by hand with a rejected template in the Deployment",
        given=Given(steps=APPROVED_STEP),
        when=(*REJECT_V2, *UNPAUSED),
        then=Then(
            "RolledBack",
            stable="v1",
            template="v2",
            rejected=("v2",),
            result="done",
            conditions=("Conflict", "Rejected"),
        ),
    ),
    Script(
        "unpaused by the edit that brings a new version",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2", paused=False),
            UntilShut(),
            # Whatever its pods were called before: it is released like any other.
            Until("Paused", step=1, version="v2"),
            Rest("Paused", stable="v1"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done", conditions=("Conflict",)),
    ),
    Script(
        "unpaused by every sync",
        when=(*UNPAUSED, *UNPAUSED, *UNPAUSED, *UNPAUSED),
        then=Then("Stalled", stable="v1", versions=("v1",), conditions=("Conflict",)),
    ),
    Script(
        "unpaused by hand in mid-release, twice",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            *UNPAUSED,
            Rest("Paused", stable="v1"),
            *UNPAUSED,
            Rest("Paused", stable="v1"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done", conditions=("Conflict",)),
    ),
    Script(
        "our label taken off the Deployment is put back",
        when=(UnlabelDeployment(),),
        then=Then("Healthy", stable="v1"),
    ),
    Script(
        "our label taken off ReplicaSets is put back",
        when=(
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            UnlabelReplicaSet("v1"),
            UnlabelReplicaSet("v2"),
        ),
        then=Then("Healthy", stable="v2", versions=("v1", "v2")),
    ),
    Script(
        "of two Rollouts on one Deployment the older wins",
        when=(
            CreateRival(),
            UntilRivalSays("Conflict"),
            Deploy("v2"),
            Rest("Healthy", stable="v2"),
            DeleteRollout(),
            UntilRolloutGone(),
        ),
        then=Then("Healthy", stable="v2", conditions=()),
        model_lacks="a second Rollout",
    ),
)
