"""Commands: accepted at most once, and what came of them as a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from sluice.core import keys
from sluice.core.commands import VERBS, Accepted, accept, accepted, outcome, previous
from sluice.core.decide import decide
from sluice.core.plan import PatchRollout
from sluice.core.policy import Policy, Step
from sluice.core.situation import Situation, State


def situation(world: World) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    return Situation(world.observed(), world.d, world.rollout.policy, world.anchor.ref.uid)


def settled() -> World:
    world = World(policy=Policy("web", steps=(Step(10, 10.0), Step(50, 10.0))))
    world.settle()
    return world


def stepping() -> World:
    world = settled()
    world.set_image("web:2")
    world.settle()
    return world


def growing() -> World:
    world = settled()
    world.failing_images.add("web:2")
    world.set_image("web:2")
    world.settle()
    return world


def raising() -> World:
    """Grows to N, but its pods do not come up."""
    world = stepping()
    world.run(10)
    while situation(world).state is not State.RAISING:
        world.now += timedelta(seconds=0.5)
        world.one_pass()
    world.failing_images.add("web:2")
    world.controllers()
    return world


def promoted() -> World:
    world = stepping()
    world.run(25)
    return world


def returning_by_command() -> World:
    world = promoted()
    world.failing_images.add("web:1")
    world.command("rollback")
    world.settle()
    return world


def returning_by_revert() -> World:
    world = promoted()
    world.failing_images.add("web:1")
    world.set_image("web:1")
    world.settle()
    return world


STATES = {
    State.SETTLED: settled,
    State.GROWING: growing,
    State.STEPPING: stepping,
    State.RAISING: raising,
    State.RETURNING: returning_by_command,
}


def last(world: World) -> dict[str, Any]:
    assert world.plan.status is not None
    assert world.plan.status.last_command is not None
    return dict(world.plan.status.last_command)


@pytest.mark.parametrize("state", STATES)
def test_the_worlds_of_these_tests_are_in_the_state_they_are_named_after(state: State) -> None:
    assert situation(STATES[state]()).state is state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("text", ["Restart", "Promote", "", "promote-all", "rollback 3", "=3"])
def test_an_unknown_command_says_which_are_known_and_does_nothing(state: State, text: str) -> None:
    command = accept(situation(STATES[state]()), text)
    assert command.done
    assert command.result.startswith("nothing done: unknown command")
    assert command.result.endswith("known are " + ", ".join(VERBS))


@pytest.mark.parametrize(
    ("verb", "state", "result"),
    [
        ("abort", State.SETTLED, "nothing done: no release is under way"),
        (
            "abort",
            State.RETURNING,
            "nothing done: a rollback is under way; rollback=N goes to another revision",
        ),
        ("promote", State.SETTLED, "nothing done: no release is under way"),
        ("promote", State.RETURNING, "nothing done: no release is under way"),
        ("promote=2-x-1/1", State.SETTLED, "nothing done: no release is under way"),
        (
            "rollback",
            State.SETTLED,
            "nothing done: an earlier version is not in the history (revisions: none)",
        ),
        (
            "rollback=9",
            State.SETTLED,
            "nothing done: revision 9 is not in the history (revisions: none)",
        ),
        (
            "rollback=9",
            State.STEPPING,
            "nothing done: revision 9 is not in the history (revisions: none)",
        ),
        ("abort=now", State.STEPPING, 'nothing done: abort takes no argument; write "abort"'),
    ],
)
def test_what_cannot_be_done_says_why(verb: str, state: State, result: str) -> None:
    command = accept(situation(STATES[state]()), verb)
    assert (command.done, command.result) == (True, result)


def test_a_rollback_that_is_under_way_is_not_begun_again() -> None:
    world = returning_by_command()
    command = accept(situation(world), "rollback")
    assert command.result.startswith("nothing done: already going back, release 3-")


@pytest.mark.parametrize("state", [State.GROWING, State.STEPPING, State.RAISING])
@pytest.mark.parametrize("verb", ["abort", "rollback", "promote"])
def test_a_command_for_a_canary_names_its_release_and_step(state: State, verb: str) -> None:
    now = situation(STATES[state]())
    command = accept(now, f"  {verb}\n")
    assert not command.done
    assert (command.verb, command.target) == (verb, "")
    assert (command.release, command.step) == (now.release, now.step_number)
    assert accept(now, f"promote={now.release}/{now.step_number}").done is False
    assert accept(now, f"promote={now.release}/9").result.endswith(
        f"is over; the release is at {now.release}/{now.step_number}"
    )


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_a_fast_release_can_be_taken_back(verb: str) -> None:
    world = returning_by_revert()
    assert situation(world).state is State.RETURNING
    assert not accept(situation(world), verb).done
    world.command(verb)
    world.run(1)
    assert world.phase == "RolledBack", world.message
    assert last(world)["result"].endswith("was taken back")
    assert world.by_image("web:1").replicas == 0  # type: ignore[union-attr]
    assert world.least_serving == 4


def test_a_rollback_leads_from_the_stable_version_to_the_one_before() -> None:
    world = promoted()
    old, new = world.by_image("web:1"), world.by_image("web:2")
    assert old is not None
    assert new is not None
    for text in ("rollback", "rollback=1"):
        command = accept(situation(world), text)
        assert not command.done
        assert (command.source, command.target) == (new.template_hash, old.template_hash)


def test_a_rollback_to_a_revision_in_mid_release_goes_past_the_canary() -> None:
    world = promoted()
    world.set_image("web:3")
    world.settle()
    assert situation(world).state is State.STEPPING
    world.command("rollback=1")
    world.run(5)
    assert world.phase == "RolledBack"
    assert world.by_image("web:1").replicas == 4  # type: ignore[union-attr]
    assert world.by_image("web:3").replicas == 0  # type: ignore[union-attr]
    assert last(world)["result"].startswith("went back to revision")


def test_a_rejected_version_is_no_goal_of_a_rollback() -> None:
    world = promoted()
    world.command("rollback")
    world.run(5)
    assert previous(situation(world)) is None
    command = accept(situation(world), "rollback=2")
    assert command.result == "nothing done: revision 2 is not in the history (revisions: none)"


def test_the_version_before_is_the_one_that_was_stable_last() -> None:
    world = promoted()
    world.set_image("web:3")
    world.run(30)
    found = previous(situation(world))
    assert found is not None
    assert found == world.by_image("web:2")


def test_a_release_that_is_promoted_cannot_be_aborted() -> None:
    world = promoted()
    old = world.by_image("web:1")
    assert old is not None
    world.replica_sets[old.ref.name] = replace(old, replicas=2, status_replicas=2)
    assert situation(world).state is State.SHRINKING
    command = accept(situation(world), "abort")
    assert command.result == "nothing done: the release is promoted already; use rollback"


@pytest.mark.parametrize("state", [state for state in STATES if state is not State.RETURNING])
@pytest.mark.parametrize("verb", ["promote", "abort", "rollback", "rollback=1", "dance"])
def test_a_command_is_taken_away_in_the_patch_that_accepts_it(state: State, verb: str) -> None:
    world = STATES[state]()
    world.command(verb)
    assert world.rollout is not None
    seen = world.rollout.ref
    plan = decide(world.observed())
    (patch,) = plan.actions
    assert isinstance(patch, PatchRollout)
    assert patch.ref == seen, "guarded by the resourceVersion that was read"
    assert patch.annotations[keys.COMMAND] is None
    text = patch.annotations[keys.ACCEPTED]
    assert text is not None
    assert json.loads(text)["id"] == f"{seen.uid}/{seen.resource_version}"


@pytest.mark.parametrize("verb", ["promote", "abort", "rollback", "rollback=1", "dance"])
def test_a_command_waits_for_the_end_of_the_one_before_it(verb: str) -> None:
    world = returning_by_command()
    world.command(verb)
    assert world.rollout is not None
    first = accepted(world.rollout.annotations)
    assert first is not None
    assert (first.verb, first.done) == ("rollback", False)
    assert decide(world.observed()).actions == ()
    world.failing_images.clear()
    results = [(first.id, "rollback", "went back to revision 3")]
    world.run(5)
    for action in world.actions:
        text = action.annotations.get(keys.ACCEPTED) if isinstance(action, PatchRollout) else None
        order = accepted({keys.ACCEPTED: text}) if text else None
        if order and order.done:
            results.append((order.id, order.verb, order.result))
    assert results[0] == results[1], "the first one is not lost"
    assert (len(results), results[2][1]) == (3, verb)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["promote", "abort", "rollback", "rollback=1", "dance"])
def test_every_command_ends_with_a_sentence_and_is_done_once(state: State, verb: str) -> None:
    world = STATES[state]()
    world.failing_images.clear()
    world.command(verb)
    world.run(40)
    assert world.rollout is not None
    final = accepted(world.rollout.annotations)
    assert final is not None
    assert final.done
    assert final.verb == verb
    assert last(world)["result"] == final.result != ""
    accepting = [a for a in world.actions if isinstance(a, PatchRollout) and a.annotations]
    taken = [a for a in accepting if keys.COMMAND in a.annotations]
    assert len(taken) == len({a.ref.resource_version for a in taken})
    before = len(world.actions)
    world.run(5)
    assert world.actions[before:] == []


def test_a_command_that_is_under_way_is_shown_so() -> None:
    world = returning_by_command()
    assert last(world)["result"] == "under way"
    assert last(world)["verb"] == "rollback"


def test_nothing_is_accepted_between_the_patches_of_a_swap() -> None:
    world = promoted()
    new, old = world.by_image("web:2"), world.by_image("web:1")
    assert new is not None
    assert old is not None
    heir = {**new.annotations, keys.ROLE: "canary", keys.SWAP: old.ref.uid}
    world.replica_sets[new.ref.name] = replace(new, owner_uid="gone", annotations=heir)
    world.command("rollback")
    assert situation(world).state is State.SWAPPING
    assert not any(isinstance(action, PatchRollout) for action in decide(world.observed()).actions)


def rolling_back(world: World, source: str, target: str) -> Accepted:
    return Accepted("uid/1", "rollback", "", source=source, target=target)


def test_a_rollback_is_over_when_its_goal_is_reached_or_out_of_reach() -> None:
    world = promoted()
    now, old, new = situation(world), world.by_image("web:1"), world.by_image("web:2")
    assert old is not None
    assert new is not None
    ours, theirs = new.template_hash, old.template_hash
    assert outcome(now, rolling_back(world, ours, theirs)) is None
    assert outcome(now, rolling_back(world, theirs, ours)) == "went back to revision 2"
    assert (
        outcome(now, rolling_back(world, "other", theirs))
        == "nothing done: another version has become stable since"
    )
    assert (
        outcome(now, rolling_back(world, ours, "lost"))
        == "nothing done: the ReplicaSet to go back to is gone"
    )


@given(st.text(max_size=40))
def test_an_accepted_annotation_that_cannot_be_read_is_none(text: str) -> None:
    assert accepted({keys.ACCEPTED: text}) is None


@pytest.mark.parametrize("text", ["[]", "{}", "7", "null", '{"id": "a"}', '{"unheard": 1}'])
def test_json_that_is_no_command_is_none(text: str) -> None:
    assert accepted({keys.ACCEPTED: text}) is None


texts = st.text(max_size=10)


@given(st.builds(Accepted, texts, texts, texts, texts, st.integers(), texts, texts))
def test_what_is_accepted_is_read_back(command: Accepted) -> None:
    assert accepted({keys.ACCEPTED: command.dump()}) == command
    done = command.finished("went back to revision 2")
    assert accepted({keys.ACCEPTED: done.dump()}) == done
    assert (done.done, done.id, done.verb) == (True, command.id, command.verb)
