"""The operator dies right after a write, after each one in turn, and loses nothing by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest

from e2e.lifecycle import REPLICAS, Life
from e2e.local_operator import LocalOperator
from stage.story import Story

# Namespaces side by side; each takes its share of the writes.
SHARES = 6


@pytest.mark.parametrize("share", range(SHARES))
def test_operator_killed_after_its_nth_write(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], share: int
) -> None:
    # Given three replicas of v1, and an operator that ends right after its n-th write
    story = new_story(f"solo-killed-{share}", replicas=REPLICAS)
    operator = new_operator(story)

    for number in count(share + 1, SHARES):
        # When a Rollout is adopted, released, rolled back by command and deleted,
        # and the operator is started again after its death
        life = Life(story, operator, f"v2-{number}", writes=number)
        began = time.monotonic()
        life.live()
        print(f"n={number}: {life.deaths} deaths, {time.monotonic() - began:.1f} s")

        # Then it ended as it would without a death, for every n that the life has writes for
        if life.deaths == 0:
            break


def test_operator_killed_after_every_single_write(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given an operator that never makes more than one write before it dies
    story = new_story("solo-killed-always", replicas=REPLICAS)
    life = Life(story, new_operator(story), "v2", writes=1)
    life.endless = True

    # When a whole life is played, then it ends as it would with an operator that lives
    life.live()
    assert life.deaths > 10
