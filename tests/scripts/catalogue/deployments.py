"""What befalls the Deployment: made again, scaled to nothing, caught in mid-roll."""

from __future__ import annotations

from scripts.catalogue.rollbacks import REJECT_V2
from scripts.script import Given, Script, Then
from scripts.steps import (
    Adopt,
    At,
    Break,
    CreateDeployment,
    DeleteDeployment,
    DeleteRollout,
    Deploy,
    Edit,
    EditSelector,
    Heal,
    Rest,
    Until,
    UntilPods,
    UntilRolloutGone,
)

APPROVED_STEP = (At(25, approval=True),)
SCALED_TO_0 = "the user scales to 0"
DELETED = "the user deletes the Deployment"

DEPLOYMENTS = (
    Script(
        "the Deployment is deleted and made again under the same name",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            DeleteDeployment(),
            Rest("Stalled", stable=""),
            CreateDeployment("v2"),
        ),
        then=Then("Healthy", stable="v2", versions=("v2",)),
        never_below=0,
        because=DELETED,
    ),
    Script(
        "the Deployment is made again with another selector",
        when=(
            DeleteDeployment(),
            Rest("Stalled", stable=""),
            CreateDeployment("v2", labels={"track": "second"}),
            Rest("Healthy", stable="v2"),
            Deploy("v3"),
        ),
        then=Then("Healthy", stable="v3", versions=("v2", "v3")),
        never_below=0,
        because=DELETED,
    ),
    Script(
        "the selector cannot be edited",
        when=(EditSelector(),),
        then=Then("Healthy", stable="v1"),
        model_lacks="an API server that validates",
    ),
    Script(
        "the finalizer never blocks when the Deployment is gone",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            DeleteDeployment(),
            DeleteRollout(),
            UntilRolloutGone(),
        ),
        then=Then("", stable="", replicas=0, versions=(), paused=False, labels="none"),
        never_below=0,
        because=DELETED,
    ),
    Script(
        "scaled to 0 and back",
        when=(
            Edit(replicas=0),
            UntilPods(0),
            Edit(replicas=3),
        ),
        then=Then("Healthy", stable="v1"),
        never_below=0,
        because=SCALED_TO_0,
    ),
    Script(
        "scaled to 0 and back with a rejected template in the Deployment",
        given=Given(steps=APPROVED_STEP),
        when=(
            *REJECT_V2,
            Edit(replicas=0),
            UntilPods(0),
            Rest("RolledBack", stable="v1"),
            Edit(replicas=3),
        ),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",), result="done"),
        never_below=0,
        because=SCALED_TO_0,
    ),
    Script(
        "scaled to 0 and back with a rejected template and revisionHistoryLimit 0",
        given=Given(steps=APPROVED_STEP, revision_history_limit=0),
        when=(
            *REJECT_V2,
            # The controller cleans the stable ReplicaSet up: its template is not the Deployment's.
            Edit(replicas=0),
            UntilPods(0),
            Edit(replicas=3),
        ),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",), result="done"),
        never_below=0,
        because=SCALED_TO_0,
    ),
    Script(
        "a release waits while the Deployment is scaled to 0",
        when=(
            Edit(replicas=0),
            UntilPods(0),
            Deploy("v2"),
            Rest("Paused", stable="v1"),
            Edit(replicas=3),
        ),
        then=Then("Healthy", stable="v2"),
        never_below=0,
        because=SCALED_TO_0,
    ),
    Script(
        "already in mid-roll at adoption",
        given=Given(adopted=False),
        when=(
            Break("v2"),
            Deploy("v2"),
            Adopt(),
            Until("Progressing"),
            Heal(),
        ),
        then=Then("Healthy", stable="v2", versions=("v1", "v2")),
    ),
)
