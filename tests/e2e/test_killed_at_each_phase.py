"""The operator is killed in each phase, stays away for a while, and takes up where it was."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.local_operator import LocalOperator
from stage.manifests import step
from stage.story import Story

REPLICAS = 3


@pytest.mark.parametrize("phase", ["Progressing", "Paused", "Promoting", "Healthy"])
def test_killed_during_a_good_release(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], phase: str
) -> None:
    # Given a release that goes on
    story = new_story(f"solo-phase-{phase.lower()}", replicas=REPLICAS)
    operator = new_operator(story)
    operator.start()
    # Its last step has two pods of three, so that Promoting lasts as long as the third one starts.
    story.adopt(steps=[step(25, "2s", approval="Required"), step(40, "2s")])
    typed_at = story.set_env(VERSION="v2")
    if phase not in ("Progressing", "Paused"):
        story.until("Paused", since=typed_at)
        story.command("promote")

    # When the operator is killed in this phase, for as long as it takes pods to come and go
    story.until(phase, since=typed_at)
    operator.kill()
    time.sleep(3)
    operator.start()
    if phase in ("Progressing", "Paused"):
        story.until("Paused", since=typed_at)
        story.command("promote")

    # Then the release ends well, every pod was made once, and three served all the time
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    assert len(made(story, "v2")) == REPLICAS, story.tell()
    assert len(made(story, "v1")) == REPLICAS, story.tell()
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS
    assert stable_versions(story) == ["v1", "v2"]
    assert most_owned(story) == 1


@pytest.mark.parametrize("phase", ["RollingBack", "RolledBack"])
def test_killed_during_a_rollback(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], phase: str
) -> None:
    # Given v2, promoted
    story = new_story(f"solo-phase-{phase.lower()}", replicas=REPLICAS)
    operator = new_operator(story)
    operator.start()
    story.adopt(steps=[step(50)])
    story.set_env(VERSION="v2")
    story.until_now("Healthy", "v2")
    story.until_gone("v1")

    # When it is rolled back by command, and the operator is killed in this phase
    typed_at = story.command("rollback")
    story.until(phase, since=typed_at)
    operator.kill()
    time.sleep(3)
    operator.start()

    # Then v1 is stable, brought back once, and three pods served all the time
    story.until_now("RolledBack", "v1")
    story.until_gone("v2")
    assert len(made(story, "v1", since=typed_at)) == REPLICAS, story.tell()
    assert len(made(story, "v2")) == REPLICAS, story.tell()
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS

    # And the command is not carried out again
    story.until_reconciled()
    assert story.stable_version() == "v1"
    assert stable_versions(story) == ["v1", "v2", "v1"]
    assert most_owned(story) == 1
