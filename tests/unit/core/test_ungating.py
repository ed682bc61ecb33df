"""What a Deployment has rolled by itself while somebody had unpaused it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from test_releases import adopted
from world import World, hashed, template

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import ReplicaSet, Role
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known
from sluice.core.situation import State
from sluice.core.templates import template_hash

STEPS = (Step(25, 10.0), Step(50, 10.0))


def rolled(world: World, image: str, pods: int) -> str:
    """Somebody unpauses, and the controller makes a ReplicaSet of its own: so many pods of it come
    up, and as many go of what the Deployment has. Its name.
    """
    world.rule_of_one = False
    body, name = template(image), f"web-own-{world.number()}"
    pod_hash = name.removeprefix("web-")
    world.edit(template=body)
    world.replica_sets[name] = ReplicaSet(
        world.ref(name), world.now, world.d.ref.uid, pods, hashed(body, pod_hash),
        template_hash(body), labels={"app": "web", keys.HASH_LABEL: pod_hash},
        status_replicas=pods, ready_replicas=pods, status_available=pods,
    )  # fmt: skip
    base = world.situation().base
    if base is not None:
        left = max(0, world.d.replicas - pods)
        world.change(
            base, replicas=left, status_replicas=left, ready_replicas=left, status_available=left
        )
    world.edit(paused=False)
    return name


def gate_shut(world: World) -> None:
    """The gate is shut again and the controllers act on what there is, as they did on a cluster."""
    world.settle()
    assert world.d.paused
    world.rule_of_one = True
    world.run(2)


def releasing(image: str = "web:2") -> World:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    world.set_image(image)
    world.run(1)
    assert world.situation().state is State.STEPPING
    return world


def owned(world: World) -> list[str]:
    return [
        rs.template["spec"]["containers"][0]["image"]
        for rs in world.replica_sets.values()
        if rs.owner_uid == world.d.ref.uid
    ]


def test_a_new_version_that_rolled_by_itself_steps_back_and_goes_through_its_steps() -> None:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    own = rolled(world, "web:2", 2)
    world.least_serving = world.serving()
    gate_shut(world)
    assert owned(world) == ["web:1"]
    assert world.situation().canary == world.replica_sets[own], "no second one is made of it"
    assert world.of("web:2").replicas == 1
    world.run(40)
    assert (world.phase, owned(world)) == ("Healthy", ["web:2"])
    assert world.least_serving >= 4


def test_a_second_one_of_the_canarys_template_goes_and_the_release_goes_on() -> None:
    world = releasing()
    canary = world.of("web:2").ref.name
    own = rolled(world, "web:2", 2)
    world.least_serving = world.serving()
    gate_shut(world)
    assert world.replica_sets[canary].role is Role.CANARY
    world.run(40)
    assert own not in world.replica_sets
    assert (world.phase, owned(world)) == ("Healthy", ["web:2"])
    assert world.of("web:2").ref.name == canary
    assert world.least_serving >= 4


def rejected() -> World:
    world = releasing()
    world.command("abort")
    world.run(2)
    assert world.phase == "RolledBack"
    return world


@pytest.mark.parametrize("pods", [1, 4])
@pytest.mark.parametrize("kept", [True, False])
def test_a_rejected_version_that_rolled_by_itself_is_never_accepted(pods: int, kept: bool) -> None:
    world = rejected()
    if not kept:
        del world.replica_sets[world.of("web:2").ref.name]
    rolled(world, "web:2", pods)
    world.least_serving = world.serving()
    gate_shut(world)
    world.run(3)
    assert owned(world) == ["web:1"]
    assert (world.phase, world.of("web:1").status_available) == ("RolledBack", 4)
    assert all(
        rs.replicas == 0 for rs in world.replica_sets.values() if rs.owner_uid != world.d.ref.uid
    )
    assert world.least_serving >= 4


def test_a_new_version_that_rolled_to_its_end_is_the_stable_one() -> None:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    own = rolled(world, "web:2", 4)
    gate_shut(world)
    assert world.situation().stable == world.replica_sets[own]
    assert world.phase == "Healthy"
    assert "Ungated" in {made.event for made in world.decisions}
    assert world.of("web:1").role is Role.RETIRED
    world.command("rollback")
    world.run(5)
    assert owned(world) == ["web:1"]


def test_a_new_version_is_the_stable_one_where_the_old_one_was_cleaned_up() -> None:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    own = rolled(world, "web:2", 4)
    del world.replica_sets[world.of("web:1").ref.name]
    gate_shut(world)
    assert world.situation().stable == world.replica_sets[own]


def test_a_rejected_version_is_none_even_where_the_stable_one_was_cleaned_up() -> None:
    world = rejected()
    rolled(world, "web:2", 4)
    del world.replica_sets[world.of("web:1").ref.name]
    world.least_serving = world.serving()
    gate_shut(world)
    assert owned(world) == ["web:1"]
    assert world.of("web:1").status_available == 4
    assert world.least_serving >= 4


@pytest.mark.parametrize("gap", [True, False])
@pytest.mark.parametrize("image", ["web:2", "web:3"])
def test_a_swap_is_finished_whatever_rolled_meanwhile(gap: bool, image: str) -> None:
    world = releasing()
    world.until(State.SWAPPING, gap=gap)
    rolled(world, image, 1)
    world.least_serving = 4
    gate_shut(world)
    world.run(60)
    assert (world.phase, owned(world)) == ("Healthy", [image])
    assert world.least_serving >= 4


def test_a_newer_version_that_rolled_in_mid_release_is_released_in_its_turn() -> None:
    world = releasing()
    rolled(world, "web:3", 1)
    gate_shut(world)
    world.run(60)
    assert (world.phase, owned(world)) == ("Healthy", ["web:3"])


def test_what_rolled_while_another_version_is_tried_waits_for_its_turn() -> None:
    world = World(policy=Policy("web", steps=(Step(75, 20.0),)))
    world.settle()
    world.set_image("web:2")
    world.until(State.TRYING)
    rolled(world, "web:3", 1)
    gate_shut(world)
    world.run(90)
    assert (world.phase, owned(world)) == ("Healthy", ["web:3"])


def test_no_owner_is_changed_before_the_controller_has_seen_the_gate_shut() -> None:
    world = releasing()
    world.until(State.SWAPPING)
    world.edit(paused=False)
    world.one_pass()
    assert world.d.paused
    unseen = replace(world.d, observed_generation=world.d.generation - 1)
    plan = decide(replace(world.observed(), deployment=unseen))
    assert plan.actions == ()
    assert plan.again_at is not None
    assert decide(world.observed()).actions


def unpaused(world: World, times: int) -> None:
    for _ in range(times):
        world.edit(paused=False)
        world.run(30)


def test_twice_is_put_right_and_told() -> None:
    world = releasing()
    unpaused(world, 2)
    conflict = world.condition("Conflict")
    assert conflict is not None
    assert conflict.reason == "Ungated"
    assert (world.phase, owned(world)) == ("Healthy", ["web:2"])


def test_a_third_time_within_ten_minutes_ends_the_release_until_it_has_been_quiet() -> None:
    world = World(policy=Policy("web", steps=(Step(25, 600.0),)))
    world.settle()
    world.set_image("web:2")
    world.run(2)
    began = world.now
    unpaused(world, 3)
    assert world.d.paused
    assert world.phase == "Stalled"
    assert world.condition("Conflict") is not None
    assert "unpaused 3 times within 10 minutes" in world.message
    assert world.of("web:2").replicas == 0
    assert owned(world) == ["web:1"]
    before = len(world.actions)
    world.run(300)
    assert world.actions[before:] == []
    world.run((began + timedelta(minutes=11) - world.now).total_seconds())
    assert world.phase == "Progressing"
    assert world.of("web:2").replicas == 1


def test_what_rolled_by_itself_the_third_time_is_put_in_its_place_and_goes_no_further() -> None:
    world = adopted()
    unpaused(world, 2)
    rolled(world, "web:2", 2)
    world.least_serving = world.serving()
    gate_shut(world)
    world.run(60)
    assert (world.phase, owned(world)) == ("Stalled", ["web:1"])
    assert world.of("web:2").replicas == 0
    assert world.least_serving >= 4


# --- unpaused too often: every way back stays open


def test_a_promoted_version_is_rolled_back_by_command() -> None:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    world.set_image("web:2")
    world.run(40)
    assert owned(world) == ["web:2"]
    unpaused(world, 3)
    assert world.phase == "Stalled"
    world.command("rollback")
    world.run(5)
    assert owned(world) == ["web:1"]
    assert world.last_result == "went back to revision 3"
    assert world.phase == "Stalled"
    assert world.condition("Conflict") is not None


@pytest.mark.parametrize("bad", [True, False])
def test_a_version_that_is_tried_is_taken_back_by_its_metrics_and_by_command(bad: bool) -> None:
    analysis = Analysis(interval_seconds=5.0, metrics=(Metric("errors", "q", maximum=0.01),))
    world = World(policy=Policy("web", steps=(Step(75, 900.0),), analysis=analysis))
    world.settle()
    world.set_image("web:2")
    world.until(State.TRYING)
    unpaused(world, 3)
    assert world.situation().state is State.TRYING
    if bad:
        world.values["errors"] = Known(1.0)
    else:
        world.command("abort")
    world.run(20)
    assert owned(world) == ["web:1"]
    assert world.of("web:2").role is Role.REJECTED
    assert world.phase == "Stalled"


def test_a_rollback_under_way_goes_on() -> None:
    world = World(policy=Policy("web", steps=STEPS))
    world.settle()
    world.set_image("web:2")
    world.run(40)
    world.command("rollback")
    world.until(State.RETURNING)
    for _ in range(3):
        world.edit(paused=False)
        world.settle()
    world.run(5)
    assert owned(world) == ["web:1"]
