"""What was found broken once: weights above 50, and what a Deployment rolled by itself."""

from __future__ import annotations

from test_trial import N, owner, settled_on, sizes, trying
from world import World

from sluice.core import keys
from sluice.core.objects import Role
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
