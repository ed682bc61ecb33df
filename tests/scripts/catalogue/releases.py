"""Releases, and the commands that steer them."""

from __future__ import annotations

from scripts.script import Given, Script, Then
from scripts.steps import (
    At,
    Command,
    Deploy,
    Edit,
    EditRollout,
    Rest,
    Until,
    UntilAnswered,
)

APPROVED_STEP = (At(25, approval=True),)

RELEASES = (
    Script(
        "good release",
        given=Given(steps=(At(25, seconds=1), At(50, seconds=1))),
        when=(Deploy("v2"),),
        then=Then("Healthy", stable="v2", versions=("v1", "v2"), rejections_told=0),
    ),
    Script(
        "retry of a rejected version",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused", version="v2"),
            Command("abort"),
            Rest("RolledBack", stable="v1"),
            Command("retry"),
            Until("Paused", version="v2"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", result="done", rejections_told=1),
    ),
    Script(
        "promote-full goes past every step",
        given=Given(steps=(At(10, approval=True), At(50, seconds=600))),
        when=(Deploy("v2"), Until("Paused", step=1), Command("promote-full")),
        then=Then("Healthy", stable="v2", result="done"),
    ),
    Script(
        "restart is a release like any other",
        given=Given(steps=APPROVED_STEP),
        when=(
            Command("restart"),
            Until("Paused", version="v1+restarted"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v1+restarted", result="done", versions=("v1", "v1+restarted")),
    ),
    Script(
        "an approval is bound to its step",
        given=Given(steps=(At(25, approval=True), At(50, approval=True))),
        when=(
            Deploy("v2"),
            Until("Paused", step=1),
            Command("promote"),
            Until("Paused", step=2),
            # Typed for the step that is over: a person who looked a moment too early.
            Command("promote={release}/1"),
            UntilAnswered("refused"),
        ),
        then=Then(
            "Paused",
            stable="v1",
            template="v2",
            kept=(("v2", 3),),
            result="refused",
            conditions=("Paused",),
        ),
    ),
    Script(
        "promote for the present step goes on",
        given=Given(steps=(At(25, approval=True), At(50))),
        when=(Deploy("v2"), Until("Paused", step=1), Command("promote={release}/1")),
        then=Then("Healthy", stable="v2", result="done"),
    ),
    Script(
        "spec.paused lets no release begin, and resume does",
        when=(
            EditRollout(paused=True),
            Deploy("v2"),
            Rest("Paused", stable="v1"),
            EditRollout(paused=False),
        ),
        then=Then("Healthy", stable="v2"),
    ),
    Script(
        "spec.paused lets no step pass, and resume does",
        given=Given(steps=(At(25, approval=True), At(50))),
        when=(
            Deploy("v2"),
            Until("Paused", step=1),
            # Nothing but spec.paused holds the step from here on.
            EditRollout(paused=True, steps=(At(25), At(50))),
            Rest("Paused", stable="v1"),
            Until("Paused", step=1),
            EditRollout(paused=False),
        ),
        then=Then("Healthy", stable="v2"),
    ),
    Script(
        "a template that was stable before is released fast",
        given=Given(steps=APPROVED_STEP),
        when=(
            Deploy("v2"),
            Until("Paused"),
            Command("promote"),
            Rest("Healthy", stable="v2"),
            # No step, or it would wait for approval.
            Deploy("v1"),
        ),
        then=Then("Healthy", stable="v1", versions=("v1", "v2"), result="done"),
    ),
    Script(
        "minReadySeconds is waited for and copied",
        when=(Deploy("v2", min_ready_seconds=2),),
        then=Then("Healthy", stable="v2"),
    ),
    Script(
        "ready for less than minReadySeconds is not available",
        given=Given(progress_deadline_seconds=3),
        when=(Deploy("v2", min_ready_seconds=300),),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",)),
    ),
    Script(
        "another spelling of a quantity is no release",
        given=Given(steps=(At(50),)),
        when=(
            Deploy("v2", limits={"memory": "1Gi", "cpu": "500m"}),
            Rest("Healthy", stable="v2"),
            Deploy("v2", limits={"memory": "1073741824", "cpu": "0.5"}),
        ),
        then=Then("Healthy", stable="v2", versions=("v1", "v2")),
    ),
    Script(
        "names of 63 characters",
        given=Given(name="n" * 63),
        when=(Deploy("v2"), Rest("Healthy", stable="v2"), Command("rollback")),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",), result="done"),
    ),
    Script(
        "a step above 50 is reached before it is promoted",
        given=Given(steps=(At(50), At(75, approval=True))),
        when=(
            Deploy("v2"),
            Until("Paused", step=2, version="v2"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", versions=("v1", "v2"), result="done"),
    ),
    Script(
        "a step above 50 is rolled back with N serving",
        given=Given(steps=(At(75, approval=True),)),
        when=(Deploy("v2"), Until("Paused", version="v2"), Command("abort")),
        then=Then("RolledBack", stable="v1", template="v2", rejected=("v2",), result="done"),
    ),
    Script(
        "scaled up in mid-release",
        given=Given(steps=(At(50, approval=True),)),
        when=(
            Deploy("v2"),
            Until("Paused"),
            Edit(replicas=4),
            Rest("Paused", stable="v1"),
            Command("promote"),
        ),
        then=Then("Healthy", stable="v2", replicas=4, result="done"),
    ),
)
