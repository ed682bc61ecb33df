"""Releases while the load changes: neither is in the other's way."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.deployment_watch import DeploymentWatch
from e2e.invariants import most_owned
from e2e.load_counts import assert_all_answered
from e2e.prometheus import first_above
from e2e.scaling import (
    RPS,
    adopt,
    condition,
    fast,
    replicas,
    rollout,
    set_metrics,
    until_replicas,
    wanted,
)
from stage.cluster import Json
from stage.manifests import step
from stage.story import Story
from stage.watching import fewest

QUIET, BUSY = 30, 150
MOST = 6
COUNTERS: Json = {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"}
ANALYSIS: Json = {
    "interval": "1s",
    "minRequests": 20,
    "metrics": [{"name": "errors", "counters": COUNTERS}],
}


@pytest.fixture
def story(new_story: Callable[..., Story]) -> Story:
    """Two pods under a load for two, and a Rollout that scales them by it."""
    found = new_story("load-and-release", replicas=2, rate=QUIET)
    metric = {"name": "rps", "query": RPS, "target": {"averageValue": 20}}
    canary = {"steps": [step(34, "15s"), step(50, "5s")], "analysis": ANALYSIS}
    adopt(
        found, canary, metrics=[metric], minReplicas=2, maxReplicas=MOST, behavior=fast(15),
        interval="2s",
    )  # fmt: skip
    return found


def test_a_good_release_goes_through_while_the_load_rises(
    story: Story, watched: Callable[[Story], DeploymentWatch]
) -> None:
    deployment = watched(story)
    before = story.traffic()
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When the load rises in the middle of it
    story.set_rate(BUSY)
    until_replicas(story, MOST)

    # Then the new version serves with all the pods that the load needs
    story.until_now("Healthy", "v2")
    story.until_serving("v2", MOST)
    phases = {moment.phase for moment in story.moments(typed_at)}
    assert not phases & {"RollingBack", "RolledBack", "Stalled"}, story.tell()
    assert {number for _, number in deployment.replicas(typed_at)} <= set(range(2, MOST + 1))
    assert most_owned(story) == 1

    # And when it falls again, pods go without a lost request
    story.set_rate(QUIET)
    until_replicas(story, 2)
    story.eventually(lambda: len(story.pods()) == 2, 60, "two pods are left")
    assert_all_answered(story, before)


def test_a_bad_release_is_found_while_the_load_rises(
    story: Story, watched: Callable[[Story], DeploymentWatch]
) -> None:
    deployment = watched(story)
    story.set_env(VERSION="v2", ERROR_RATIO="0.3")
    story.until_serving("v2", 1)
    risen_at = story.set_rate(BUSY)
    story.until_now("RolledBack", "v1")
    until_replicas(story, MOST)
    story.until_serving("v1", MOST)

    # Then not one pod of the stable version went on the way
    course = [number for _, number in deployment.replicas(risen_at)]
    assert course == sorted(course), course
    assert fewest(story.endpoints(), risen_at, story.now().at) >= 2


def test_a_queue_does_not_run_away_with_a_canary_of_half_the_pods(
    new_story: Callable[..., Story], watched: Callable[[Story], DeploymentWatch]
) -> None:
    # Given work for four pods, and the length of the queue as its share of each pod that is there.
    # Prometheus knows a new pod some seconds late: each reading is of a time when it does.
    begun = time.time()
    story = new_story("queue", replicas=4)
    known = f'count(up{{namespace="{story.namespace}",pod=~"web-.*"}})'
    story.eventually(lambda: first_above(known, 3.5, begun), 60, "Prometheus knows the pods")
    adopt(
        story, {"steps": [step(50, "40s")]}, metrics=queue(4), behavior=fast(), maxReplicas=40,
        interval="10s",
    )  # fmt: skip
    deployment = watched(story)
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 4)
    assert {number for _, number in deployment.replicas()} == {4}

    # When there is work for five, beside a canary that is as large as the stable side
    set_metrics(story, queue(5))
    story.eventually(lambda: replicas(story) >= 5, 30, "a pod more")
    story.until_now("Healthy", "v2")

    # Then the canary's pods were not counted: they would have made it ten. A reading that misses a
    # pod may ask for two more than five.
    most = max(number for _, number in deployment.replicas(typed_at))
    assert 5 <= most <= 7, deployment.replicas(typed_at)


def queue(work: int) -> list[Json]:
    """A metric that is at its target where as many pods of the stable version are there."""
    pods = 'count(up{namespace="{{namespace}}",pod=~"{{stable}}"})'
    return [{"name": "queue", "query": f"{work} / {pods}", "target": {"value": 1}}]


def test_a_second_rollout_waits_and_no_scaling_of_it_is_written(
    new_story: Callable[..., Story],
) -> None:
    story = new_story("two-scalers", replicas=2)
    adopt(story, metrics=wanted(3), behavior=fast())
    until_replicas(story, 3)
    other = Story(story.cluster, story.namespace, rollout="later")
    try:
        other.apply(rollout(other, metrics=wanted(6), behavior=fast()))
        other.until("Stalled")
        assert "Rollout web is older" in condition(other, "Conflict")["message"]
        story.until_reconciled()
        assert replicas(story) == 3
    finally:
        other.kubectl("delete", "slr/later")
        other.close()
