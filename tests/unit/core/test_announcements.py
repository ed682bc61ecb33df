"""What is told as an Event: once for each decision, and only what changes what to expect."""

from __future__ import annotations

import re

import pytest
from test_releases import adopted, measured
from world import World

from sluice.core.announcements import ANNOUNCEMENTS, Act, decision
from sluice.core.plan import Decision
from sluice.core.readings import Known
from sluice.core.table import Move

QUIET = {
    Move.NOTHING,
    Move.RESIZE,
    Move.REFILL,
    Move.START_CLOCK,
    Move.STOP_CLOCK,
    Move.ANNOUNCE,
    Move.UNANNOUNCE,
    Move.PART,
    Move.TAKE_BACK,
}


def told(world: World) -> list[str]:
    return [made.event for made in world.decisions if made.event]


def test_every_move_and_act_is_either_told_or_left_to_the_log_on_purpose() -> None:
    assert {*Move, *Act} == ANNOUNCEMENTS.keys() | QUIET | {Act.TRY}
    assert not ANNOUNCEMENTS.keys() & QUIET


def test_reasons_are_words_that_the_api_takes() -> None:
    for announcement in ANNOUNCEMENTS.values():
        assert re.fullmatch(r"([A-Z][a-z]+)+", announcement.reason)


@pytest.mark.parametrize("move", sorted(QUIET))
def test_a_quiet_move_has_no_event(move: Move) -> None:
    assert decision(move, "a", "b") == Decision("a", "b")


def test_a_good_release_is_told_from_adoption_to_promotion() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(60)
    assert told(world) == ["Adopted", "ReleaseStarted", "StepPassed", "StepPassed", "Promoted"]
    assert not any(made.warning for made in world.decisions)


def test_a_failed_release_is_told_as_a_warning_with_its_reason() -> None:
    world = adopted(policy=measured())
    world.set_image("web:2")
    world.run(2)
    world.values["errors"] = Known(0.05)
    world.run(10)
    assert told(world) == ["Adopted", "ReleaseStarted", "RolledBack"]
    last = next(made for made in world.decisions if made.event == "RolledBack")
    assert last.warning
    assert "above its maximum" in last.why


def test_a_rollback_by_command_is_told_as_one_and_not_as_a_promotion() -> None:
    world = adopted()
    world.set_image("web:2")
    world.run(60)
    before = len(told(world))
    world.command("rollback")
    world.run(60)
    assert told(world)[before:] == ["CommandAccepted", "RollbackStarted", "RollbackFinished"]


def test_a_command_that_comes_to_nothing_is_told_as_a_warning() -> None:
    world = adopted()
    world.command("promote")
    world.settle()
    last = world.decisions[-1]
    assert (last.event, last.warning) == ("CommandRefused", True)


def test_a_template_that_goes_back_is_told_as_withdrawn() -> None:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    world.set_image("web:1")
    world.settle()
    assert told(world)[-2:] == ["ReleaseStarted", "Withdrawn"]


def test_a_gate_that_was_opened_is_told_as_a_warning() -> None:
    world = adopted()
    world.edit(paused=False)
    world.settle()
    shut = next(made for made in world.decisions if made.event == "GateShutAgain")
    assert shut.warning


def test_a_deployment_that_is_given_back_is_told_once() -> None:
    world = adopted()
    world.set_image("web:2")
    world.settle()
    world.delete_rollout()
    world.settle()
    assert told(world).count("GivenBack") == 1
