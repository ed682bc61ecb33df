"""What became of the requests of a stretch of a story."""

from __future__ import annotations

import time
from typing import Final

from stage.story import Story
from stage.traffic import Traffic, failed, lost

# A Service's addresses reach the node late when the machine is short of CPU, and requests go to a
# pod until then. More than the app's own 5 s, where a lost request shall mean something else.
LONG_DRAIN: Final = {"DRAIN_SECONDS": "10"}


def counts_since(story: Story, before: Traffic) -> dict[str, int]:
    """The counts of the requests sent from `before` to now, once all of these are answered.

    From `before`, not from the beginning: the load's first requests may come sooner than the
    Service's addresses have reached the node.
    """
    now = time.time()

    def complete() -> Traffic | None:
        traffic = story.traffic()
        return traffic if traffic.now > now + 1 else None

    return story.eventually(complete, 15, "the load's counts").since(before)


def assert_all_answered(story: Story, before: Traffic) -> dict[str, int]:
    """No request since `before` was lost, or answered with an error; the counts."""
    counts = counts_since(story, before)
    assert (lost(counts), failed(counts)) == (0, 0), story.traffic().lost[-20:]
    return counts
