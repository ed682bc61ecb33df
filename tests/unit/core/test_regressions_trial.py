"""What was found broken once: weights above 50, and what a Deployment rolled by itself."""

from __future__ import annotations

import pytest
from test_any_moment import Slow
from test_trial import N, owner, settled_on, sizes, trying
from test_ungating import rolled
from world import World

from sluice.core import keys
from sluice.core.decide import decide
from sluice.core.objects import Role
from sluice.core.policy import Policy, Step
from sluice.core.readings import Known
from sluice.core.situation import State


def condemned() -> World:
    """The version at weight 80 is found bad, and the stable one does not come back yet."""
    world = trying()
    world.at_most["web:1"] = 2
    world.values["errors"] = Known(1.0)
    world.run(15)
    assert world.situation().state is State.RECLAIMING
    return world


def test_retry_while_the_rejected_version_still_serves_is_carried_out() -> None:
    world = condemned()
    world.values.clear()
    world.command("retry")
    world.run(5)
    assert world.last_result == "the rejection is forgotten: a release from step 1"
    assert sizes(world) == (N, N), "it goes as before, when there is something better"
    world.heal()
    world.run(5)
    assert owner(world, "web:1") == "deployment"
    assert (world.of("web:2").role, world.situation().step_number) == (Role.CANARY, 1)
    world.run(90)
    settled_on(world, "web:2")


def test_one_of_ours_that_lost_its_role_does_not_serve_on_for_ever() -> None:
    world = trying()
    world.command("promote-full")
    world.run(5)
    world.change(world.of("web:1"), replicas=2, annotations={keys.ROLE: None})
    world.run(5)
    settled_on(world, "web:2")
    assert world.of("web:1").role is Role.RETIRED


def test_a_rejected_one_that_lost_its_role_is_still_a_rejected_one() -> None:
    world = condemned()
    world.heal()
    world.run(5)
    settled_on(world, "web:1")
    world.change(world.of("web:2"), annotations={keys.ROLE: None, keys.REJECTED_AT: None})
    world.run(5)
    assert world.of("web:2").role is Role.REJECTED
    assert world.phase == "RolledBack"


@pytest.mark.parametrize("pods", [1, 2])
def test_what_rolled_by_itself_long_after_the_last_release_serves_until_the_stable_one_does(
    pods: int,
) -> None:
    world = Slow(policy=Policy("web", steps=(Step(25, 10.0), Step(50, 10.0))))
    world.run(900)
    rolled(world, "web:2", pods)
    world.rule_of_one = False
    world.least_serving = world.serving()
    world.run(5)
    assert world.of("web:2").role is Role.CANARY
    assert world.least_serving >= 4
    world.run(60)
    assert world.phase == "Healthy"
    assert world.least_serving >= 4


def test_a_canary_that_serves_for_a_lost_stable_side_is_not_made_smaller_by_its_steps() -> None:
    world = Slow(policy=Policy("web", steps=(Step(50, 60.0),)))
    world.run(5)
    world.set_image("web:2")
    world.run(10)
    assert world.of("web:2").status_available == 4
    del world.replica_sets[world.of("web:1").ref.name]
    world.set_policy(Policy("web", steps=(Step(10, 600.0),)))
    world.least_serving = world.serving()
    world.run(10)
    assert world.least_serving >= 4
    assert (world.of("web:1").status_available, world.of("web:2").replicas) == (4, 1)


def test_a_rollout_deleted_between_the_two_patches_of_a_promotion_leaves_one_version() -> None:
    world = trying()
    world.command("promote-full")
    while world.of("web:2").role is not Role.STABLE:
        world.plan = decide(world.observed())
        for action in world.plan.actions:
            if world.of("web:2").role is not Role.STABLE:
                world.apply(action)
    assert (world.of("web:1").role, world.of("web:1").replicas) == (Role.STABLE, 2)
    world.delete_rollout()
    world.run(30)
    assert (world.rollout, world.d.paused) == (None, False)
    assert sizes(world) == (0, N)
