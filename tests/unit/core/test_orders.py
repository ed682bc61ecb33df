"""Commands that are carried out by a write or two, played in the model."""

from __future__ import annotations

from test_releases import adopted, measured
from world import World, template

from sluice.core import keys
from sluice.core.objects import Role
from sluice.core.policy import Policy, Step
from sluice.core.readings import Known, Reason, Unknown


def result(world: World) -> str:
    assert world.plan.status is not None
    assert world.plan.status.last_command is not None
    return str(world.plan.status.last_command["result"])


def test_retry_releases_a_rejected_template_from_step_1() -> None:
    world = adopted(policy=measured())
    world.set_image("web:2")
    world.values["errors"] = Known(0.05)
    world.run(10)
    assert world.phase == "RolledBack"
    world.values["errors"] = Known(0.0)
    world.command("retry")
    world.settle()
    canary = world.by_image("web:2")
    assert canary is not None
    assert canary.role is Role.CANARY
    assert canary.annotations[keys.STEP] == "1"
    assert canary.annotations[keys.RELEASE].endswith("-2")
    world.run(30)
    assert world.phase == "Healthy"
    assert "forgotten" in result(world)


def test_retry_of_a_version_that_was_stable_once_takes_all_steps() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(30)
    world.command("rollback")
    world.run(2)
    world.command("retry")
    world.settle()
    assert world.phase == "Progressing"
    assert world.by_image("web:2").role is Role.CANARY  # type: ignore[union-attr]


def test_retry_without_a_rejection_says_so() -> None:
    world = adopted()
    world.command("retry")
    world.run(1)
    assert result(world) == "nothing done: the Deployment's template is not rejected"


def test_promote_full_goes_past_steps_approvals_and_analysis() -> None:
    metrics = measured().analysis
    steps = (Step(10, 3600.0, approval_required=True), Step(50, 3600.0))
    world = adopted(policy=Policy("web", steps=steps, analysis=metrics))
    world.values["errors"] = Unknown(Reason.EMPTY)
    world.set_image("web:2")
    world.run(3)
    world.command("promote-full")
    world.run(3)
    assert world.phase == "Healthy", world.message
    assert world.by_image("web:2").role is Role.STABLE  # type: ignore[union-attr]
    assert world.least_serving == 4


def test_promote_full_does_not_promote_pods_that_do_not_come_up() -> None:
    world = adopted(policy=Policy("web", steps=(Step(10, 5.0),), progress_deadline_seconds=20.0))
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.run(2)
    world.command("promote-full")
    world.run(30)
    assert world.phase == "RolledBack"


def test_restart_is_a_release_of_the_same_template_with_a_leaf() -> None:
    world = adopted()
    world.command("restart")
    world.settle()
    assert world.phase == "Progressing"
    leaf = world.d.template["metadata"]["annotations"][keys.RESTARTED_AT]
    assert {**world.d.template["metadata"], "annotations": {}} == {
        **template("web:1")["metadata"],
        "annotations": {},
    }
    world.run(30)
    assert world.phase == "Healthy"
    assert leaf in result(world)


def test_restart_does_not_smuggle_a_rejected_template_in() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(3)
    world.command("abort")
    world.run(1)
    world.command("restart")
    world.run(5)
    assert world.phase == "RolledBack"
    assert "rejected" in result(world)
