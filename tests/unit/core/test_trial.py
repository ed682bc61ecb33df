"""Weights above 50: the version that is tried takes the stable one's place, which stays beside it
with what is left of its pods, and comes back whole before anything of the other goes.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import World

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Role
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Unknown
from sluice.core.situation import State

ANALYSIS = Analysis(interval_seconds=5.0, metrics=(Metric("errors", "q", maximum=0.01),))
STEPS = (Step(25, 10.0), Step(80, 20.0), Step(90, 20.0))
N = 8


def trying(**changes: object) -> World:
    """At weight 80 of a release whose version serves well so far, its clock running."""
    policy = Policy("web", steps=STEPS, analysis=ANALYSIS, **changes)  # type: ignore[arg-type]
    world = World(policy=policy, replicas=N)
    world.settle()
    world.set_image("web:2")
    for _ in range(200):
        world.run(0.5)
        if world.situation().state is State.TRYING:
            assert world.situation().step_number == 2
            return world
    raise AssertionError(world.phase)


def sizes(world: World) -> tuple[int, int]:
    """Pods of the stable version and of the new one."""
    return world.of("web:1").replicas, world.of("web:2").replicas


def owner(world: World, image: str) -> str:
    return "deployment" if world.of(image).owner_uid == world.d.ref.uid else "anchor"


def settled_on(world: World, image: str) -> None:
    """All is over: this version alone has pods, all N, and the Deployment owns it."""
    assert world.situation().state is State.SETTLED, world.message
    assert (world.of(image).role, owner(world, image)) == (Role.STABLE, "deployment")
    assert [rs.replicas for rs in world.replica_sets.values() if rs.replicas] == [N]
    assert world.least_serving >= N


def test_a_weight_above_50_is_had_by_swapping_and_shrinking_the_stable_side() -> None:
    world = trying()
    assert sizes(world) == (2, N)
    assert (owner(world, "web:1"), owner(world, "web:2")) == ("anchor", "deployment")
    assert (world.of("web:1").role, world.of("web:2").role) == (Role.STABLE, Role.CANARY)
    assert world.least_serving >= N


def test_it_is_no_version_to_come_back_to_before_its_last_step_is_over() -> None:
    world = trying()
    assert keys.STABLE_AT not in world.of("web:2").annotations
    record = world.situation().record_of(world.of("web:2").template_hash)
    assert record is None or record.stable_at is None


def test_the_status_shows_what_the_pods_really_give() -> None:
    world = trying()
    status = world.plan.status
    assert status is not None
    assert (world.phase, status.desired) == ("Progressing", N)
    assert status.stable is not None
    assert status.release is not None
    assert (status.stable["revision"], status.stable["replicas"]) == (1, 2)
    assert (status.release["weight"], status.release["canaryReplicas"]) == (80, N)
    assert (status.release["step"], status.release["steps"]) == (2, 3)


def test_a_good_version_ends_as_the_stable_one() -> None:
    world = trying()
    world.run(25)
    assert sizes(world) == (1, N), "weight 90"
    world.run(25)
    settled_on(world, "web:2")
    assert world.of("web:1").role is Role.RETIRED
    assert world.phase == "Healthy"
    assert [made.event for made in world.decisions if made.event][-1] == "Promoted"


def test_a_release_may_begin_above_50() -> None:
    world = World(policy=Policy("web", steps=(Step(75, 10.0),)), replicas=N)
    world.settle()
    world.set_image("web:2")
    world.run(5)
    assert sizes(world) == (3, N)
    world.run(10)
    settled_on(world, "web:2")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_small_deployment_has_one_pod_of_the_stable_version_left(n: int) -> None:
    world = World(policy=Policy("web", steps=(Step(99, 10.0),)), replicas=n)
    world.settle()
    world.set_image("web:2")
    world.run(5)
    assert sizes(world) == (1, n)
    world.run(10)
    assert (world.phase, world.least_serving) == ("Healthy", n)


def test_a_rollback_never_leaves_less_than_n_serving() -> None:
    world = trying()
    world.values["errors"] = Known(0.5)
    world.at_most["web:1"] = 3
    world.run(20)
    assert world.phase == "RollingBack"
    assert sizes(world) == (N, N), "nothing of the bad one goes before there is something better"
    world.at_most["web:1"] = 7
    world.run(1)
    assert world.of("web:1").role is Role.STABLE
    assert sizes(world) == (N, 1)
    world.heal()
    world.run(3)
    settled_on(world, "web:1")
    assert world.phase == "RolledBack"
    assert "above its maximum 0.01 at step 2 of 3 (80%)" in world.message


@pytest.mark.parametrize(("verb", "phase"), [("abort", "RolledBack"), ("rollback", "RolledBack")])
def test_a_command_takes_it_back(verb: str, phase: str) -> None:
    world = trying()
    world.command(verb)
    world.run(5)
    settled_on(world, "web:1")
    assert world.phase == phase
    assert (
        world.last_result == f"release {world.of('web:2').annotations[keys.RELEASE]} was taken back"
    )


def test_going_back_to_the_stable_revision_by_its_number_is_taking_it_back() -> None:
    world = trying()
    world.command("rollback=1")
    world.run(5)
    settled_on(world, "web:1")
    assert world.phase == "RolledBack"


def test_the_stable_template_again_takes_it_back_without_a_rejection() -> None:
    world = trying()
    world.set_image("web:1")
    world.run(5)
    settled_on(world, "web:1")
    assert world.phase == "Healthy"
    assert world.situation().rejected == frozenset()


def test_a_newer_template_takes_it_back_and_begins_at_step_1() -> None:
    world = trying()
    world.set_image("web:3")
    world.run(4)
    assert world.of("web:1").replicas == N
    assert owner(world, "web:1") == "deployment"
    assert (world.of("web:3").role, world.situation().step_number) == (Role.CANARY, 1)
    world.run(90)
    settled_on(world, "web:3")


def test_a_crash_of_its_pods_takes_it_back() -> None:
    world = trying()
    world.fail("web:2")
    world.run(700)
    settled_on_again = world.situation().state
    assert settled_on_again is State.SETTLED
    assert world.of("web:1").status_available == N
    assert world.phase == "RolledBack"


def test_what_is_unknown_holds_it_where_it_is() -> None:
    world = trying()
    world.values["errors"] = Unknown(Reason.TIMEOUT)
    world.run(300)
    assert world.situation().state is State.TRYING
    assert world.phase == "Paused"
    assert sizes(world) == (2, N)


def test_promote_full_makes_it_stable_at_once() -> None:
    world = trying()
    world.command("promote-full")
    world.run(3)
    settled_on(world, "web:2")


def test_replicas_are_followed_in_mid_trial() -> None:
    world = trying()
    world.edit(replicas=16)
    world.run(2)
    assert sizes(world) == (4, 16)
    world.edit(replicas=4)
    world.run(2)
    assert sizes(world) == (1, 4)


def test_scaled_to_0_and_back_it_goes_on() -> None:
    world = trying()
    world.edit(replicas=0)
    world.run(5)
    assert sizes(world) == (0, 0)
    assert world.phase == "Paused"
    world.edit(replicas=N)
    world.run(5)
    assert sizes(world) == (2, N)
    world.run(90)
    assert world.phase == "Healthy"


def test_steps_edited_to_less_give_the_last_weight_there_is() -> None:
    world = trying()
    world.set_policy(Policy("web", steps=(Step(10, 5.0), Step(50, 5.0)), analysis=ANALYSIS))
    world.run(3)
    assert sizes(world) == (N, N)
    world.run(20)
    settled_on(world, "web:2")


@pytest.mark.parametrize("lost", ["web:1", "web:2"])
def test_a_side_deleted_by_hand_leaves_something_to_go_back_to(lost: str) -> None:
    world = trying()
    del world.replica_sets[world.of(lost).ref.name]
    world.run(10)
    assert world.of("web:1").replicas >= 1
    world.command("abort")
    world.run(20)
    assert world.of("web:1").status_available == N
    assert owner(world, "web:1") == "deployment"


def test_killed_after_each_write_it_ends_the_same() -> None:
    world = World(policy=Policy("web", steps=(Step(80, 2.0),)), replicas=N)
    world.settle()
    world.set_image("web:2")
    world.until(State.TRYING)
    world.until(State.SETTLED)
    world.run(3)
    settled_on(world, "web:2")


def test_a_rollback_killed_after_each_write_ends_the_same() -> None:
    world = trying()
    world.values["errors"] = Known(1.0)
    world.until(State.RECLAIMING)
    world.until(State.SETTLED)
    world.run(3)
    settled_on(world, "web:1")


@pytest.mark.parametrize("state", [State.GROWING, State.SWAPPING, State.FILLING, State.TRYING])
@pytest.mark.parametrize("gap", [False, True])
def test_a_rollout_deleted_in_mid_trial_leaves_a_plain_deployment(state: State, gap: bool) -> None:
    if gap and state is not State.SWAPPING:
        return
    world = World(policy=Policy("web", steps=(Step(80, 5.0),)), replicas=N)
    world.settle()
    world.set_image("web:2")
    world.until(state, gap=gap)
    world.delete_rollout()
    world.run(30)
    assert world.rollout is None
    assert not world.d.paused
    assert world.of("web:1").replicas == N
    assert owner(world, "web:1") == "deployment"
    assert not [rs for rs in world.replica_sets.values() if keys.ROLE in rs.annotations]
    assert world.least_serving >= N


def test_a_rollout_deleted_while_the_stable_version_does_not_come_back_takes_nothing_away() -> None:
    world = trying()
    world.set_policy(replace(world.policy, progress_deadline_seconds=20.0))
    world.at_most["web:1"] = 2
    world.delete_rollout()
    world.run(60)
    assert world.rollout is None
    assert not world.d.paused
    assert world.serving() >= N
    assert {owner(world, "web:1"), owner(world, "web:2")} == {"deployment"}
    assert world.d.template["spec"]["containers"][0]["image"] == "web:1"


@pytest.mark.parametrize(
    ("command", "told"), [("abort", "RolledBack"), ("promote-full", "Promoted")]
)
def test_what_is_told_is_decided_by_the_last_write_of_its_plan(command: str, told: str) -> None:
    """A write before it that is refused leaves all as it was, and so the next pass tells it."""
    world = trying()
    world.command(command)
    for _ in range(20):
        plan = decide(world.observed())
        if plan.decision is not None and plan.decision.event == told:
            break
        for action in plan.actions:
            world.apply(action)
            world.controllers()
    assert plan.decision is not None
    assert plan.decision.event == told
    before = world.situation().state
    for action in plan.actions[:-1]:
        world.apply(action)
        assert world.situation().state is before
    world.apply(plan.actions[-1])
    assert world.situation().state is not before
