"""Counters of the canary compared with those of the stable version, by a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from e2e.invariants import fewest_serving, most_owned
from e2e.local_operator import LocalOperator
from stage.cluster import Json
from stage.manifests import step
from stage.story import Story
from stage.traffic import answered_by, failed, lost

REPLICAS = 8
COUNTERS = {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"}


def analysis(**more: object) -> Json:
    """The share of failed requests, compared every second."""
    return {"interval": "1s", "metrics": [{"name": "errors", "counters": COUNTERS}], **more}


def begin(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    name: str,
    **environment: str,
) -> Story:
    """v1 under 80 requests per second, some of which it fails, and an operator of our own."""
    story = new_story(f"solo-{name}", replicas=REPLICAS, rate=80, environment=environment)
    new_operator(story).start()
    return story


def test_a_version_that_fails_more_than_the_stable_one_is_found_without_any_threshold(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a stable version that fails one request of a thousand
    story = begin(new_story, new_operator, "compared", ERROR_RATIO="0.001")
    story.adopt(steps=[step(12, "10m")], analysis=analysis())
    before = story.traffic()

    # When a version comes that fails one of twenty
    typed_at = story.set_env(VERSION="v2", ERROR_RATIO="0.05")
    rolled_back = story.until("RollingBack", "RolledBack", since=typed_at, timeout_seconds=120)
    story.until_now("RolledBack", "v1")
    story.until_gone("v2")

    # Then it is taken back for being worse, with the counts of both sides in the reason
    message = story.now().message
    assert 'metric "errors"' in message
    assert "on the canary" in message
    assert "worse, with confidence 0.99" in message
    counts = story.traffic().since(before)
    print(f"rolled back after {rolled_back.at - typed_at:.1f} s: {message}")
    print(f"{answered_by(counts, 'v2')} answered by v2, {failed(counts)} failed in all")
    assert lost(counts) == 0
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS
    assert most_owned(story) == 1


def test_a_version_that_fails_as_often_as_the_stable_one_is_promoted(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a stable version that fails one request of fifty, which no fixed threshold would accept
    story = begin(new_story, new_operator, "as-good", ERROR_RATIO="0.02")
    story.adopt(steps=[step(12, "10s"), step(50, "10s")], analysis=analysis())

    # When another one comes that does the same
    typed_at = story.set_env(VERSION="v2")
    story.until("Progressing", since=typed_at)

    # Then its metric shows the ratios of both sides, and it is promoted
    def shown() -> Json | None:
        metrics = (story.now().status.get("release") or {}).get("metrics") or [{}]
        whole = {"canary", "stable", "evidence"} <= metrics[0].keys()
        return metrics[0] if whole and float(metrics[0]["stable"]) else None

    metric = story.eventually(shown, 60, "both sides of the metric, with a bad request")
    assert 0 <= float(metric["canary"]) < 0.2
    assert float(metric["stable"]) < 0.1
    assert 0 <= float(metric["evidence"]) < 1
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS


def test_too_few_requests_hold_a_step_and_say_so(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a step that wants more requests than there are
    story = begin(new_story, new_operator, "few")
    few = {"after": "15s", "action": "Pause"}
    story.adopt(steps=[step(12, "1s")], analysis=analysis(minRequests=1_000_000, lowTraffic=few))

    # When a good version comes
    typed_at = story.set_env(VERSION="v2")

    # Then it waits, and after lowTraffic.after it is paused; `promote` goes past it
    paused = story.until("Paused", since=typed_at)
    assert "of 1000000 requests in this step (minRequests)" in paused.message
    story.command("promote")
    story.until_now("Healthy", "v2")
