"""What comparisons find at the usual pace of scrapes, and what they do not take for a bad canary.

One release each, by the operator in the cluster. How soon bad versions are found in many releases
is measured by `make detection`; docs/study.md has the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from e2e.detection import REPLICAS, WEIGHT, analysis, bad_release, set_error_ratio
from e2e.invariants import fewest_serving
from stage.manifests import step
from stage.story import Story

# Errors by this seed come in the canary as they do on average: two in each 45 requests.
TYPICAL_SEED: Final = "77"
INCIDENT_SECONDS: Final = 60


def begin(new_story: Callable[..., Story], duration: str = "10m", **environment: str) -> Story:
    """v1 under 80 requests per second, scraped every 5 s, and a Rollout that looks as often."""
    story = new_story(
        "detected", replicas=REPLICAS, rate=80, scrape_interval="5s", environment=environment
    )
    story.adopt(steps=[step(WEIGHT, duration)], analysis=analysis("5s"))
    return story


def test_a_version_with_more_errors_is_gone_before_a_minute_is_over(
    new_story: Callable[..., Story],
) -> None:
    story = begin(new_story, ERROR_RATIO="0.001")
    begun = time.time()
    found = bad_release(story, "v2", 120, ERROR_RATIO="0.05", ERROR_SEED=TYPICAL_SEED)
    print(found)
    assert 'metric "errors"' in found.message
    assert found.seconds < 40, found
    assert found.failed < 20, found
    assert fewest_serving(story, begun, time.time()) >= REPLICAS


def test_a_version_that_takes_twice_as_long_is_found(new_story: Callable[..., Story]) -> None:
    story = begin(new_story, LATENCY_SECONDS="0.02")
    found = bad_release(story, "v2", 180, LATENCY_SECONDS="0.04")
    print(found)
    assert 'metric "latency"' in found.message


def test_an_incident_of_both_versions_is_no_bad_version(new_story: Callable[..., Story]) -> None:
    # Given a good canary
    story = begin(new_story, "80s", ERROR_RATIO="0.001")
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When all pods fail one request of five for a minute
    end = set_error_ratio(story, 0.2) + INCIDENT_SECONDS
    story.eventually(lambda: time.time() > end, INCIDENT_SECONDS + 10, "the incident is over")
    set_error_ratio(story, 0.001)

    # Then it is promoted, and was never held against it
    story.until_now("Healthy", "v2", timeout_seconds=180)
    phases = {moment.phase for moment in story.moments(typed_at)}
    assert not phases & {"RollingBack", "RolledBack", "Paused"}, story.tell()
