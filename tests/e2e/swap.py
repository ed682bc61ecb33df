"""An operator that dies after each write, to look at every moment of a swap for as long as needed.

A swap is two changes of owner a few milliseconds apart. Whoever else works on the Deployment may
come in between, and here there is time to be that one.
"""

from __future__ import annotations

from collections.abc import Callable

from e2e.local_operator import LocalOperator
from stage.story import Story

# A release of three replicas has some fifteen writes from its last step to its end.
LIVES = 60
LIFE_SECONDS = 60


def one_write(story: Story, operator: LocalOperator) -> None:
    """Start the operator and wait until it has died of its first write."""
    operator.kill()
    operator.start(exit_after_writes=1)
    story.eventually(lambda: operator.ended_itself, LIFE_SECONDS, "the operator has made a write")


def write_by_write(
    story: Story, operator: LocalOperator, done: Callable[[], bool], between: Callable[[], None]
) -> None:
    """Let the operator make one write after another, and do something after each, until done."""
    for _ in range(LIVES):
        one_write(story, operator)
        if done():
            return
        between()
    raise AssertionError(f"not done after {LIVES} writes\n{story.tell()}")


def stop_in_the_gap(story: Story, operator: LocalOperator) -> None:
    """Let a release that is about to be swapped go on until the Deployment owns nothing."""
    write_by_write(story, operator, lambda: in_the_gap(story), lambda: None)


def in_the_gap(story: Story) -> bool:
    """Whether the Deployment owns nothing at this moment."""
    return not story.owned_by_deployment()
