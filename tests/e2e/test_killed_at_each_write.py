"""The operator dies right after a write, after each one in turn, and loses nothing by it.

A life of a Rollout has about fifty writes. With processes that end after n writes and then after
each further 12, twelve lives (n = 1 to 12) have a death after every one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.lifecycle import REPLICAS, Life
from e2e.local_operator import LocalOperator
from stage.story import Story

WRITES_APART = 12
# Namespaces side by side; each takes its share of the lives.
SHARES = 4


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_operator_killed_after_each_write(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], share: int
) -> None:
    # Given three replicas of v1
    story = new_story(f"solo-killed-{share}", replicas=REPLICAS)
    operator = new_operator(story)

    for number in range(share, WRITES_APART + 1, SHARES):
        # When a Rollout is adopted, released, rolled back by command and deleted, and its operator
        # dies after its n-th write and each 12 writes later, and is started again every time
        life = Life(story, operator, f"v2-{number}", first=number, then=WRITES_APART)
        began = time.monotonic()
        life.live()
        print(f"n={number}: {life.deaths} deaths, {time.monotonic() - began:.1f} s")

        # Then all ended as it would without a death
        assert life.deaths >= 3


def test_operator_killed_after_every_single_write(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given an operator that never makes more than one write before it dies
    story = new_story("solo-killed-always", replicas=REPLICAS)
    life = Life(story, new_operator(story), "v2", first=1, then=1)

    # When a whole life is played, then it ends as it would with an operator that lives
    life.live()
    assert life.deaths >= 20
