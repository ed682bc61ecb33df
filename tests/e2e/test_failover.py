"""Two operators for one namespace: one leads, the other one takes over, and releases go on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.local_operator import LocalOperator
from e2e.rivals import events, leader, start_pair
from stage.cluster import path_of
from stage.manifests import step
from stage.story import Story

REPLICAS = 3
KILLED_SECONDS = 20
ENDED_SECONDS = 3

# 0 until somebody asks the canary for something.
ERRORS = 'sum(http_requests_total{namespace="{{namespace}}",pod=~"{{canary}}",code="500"})'


def seconds_until_decided(story: Story, since: float) -> float:
    """How long after `since` the operator that leads now has told its first decision."""
    name = leader(story)
    [first, *_] = [
        event
        for event in events(story)
        if event["reportingInstance"] == name
        and datetime.fromisoformat(event["eventTime"]).timestamp() > since
    ]
    return datetime.fromisoformat(first["eventTime"]).timestamp() - since


def turn_bad(story: Story, version: str) -> float:
    """Ask a pod that fails whatever it is asked; returns when it had answered."""
    [pod] = story.pods(version)
    path = path_of("pods", story.namespace, f"{pod['metadata']['name']}:8080")
    assert story.cluster.request("GET", f"{path}/proxy/").status_code == 500
    return time.time()


@pytest.mark.parametrize(("how", "seconds"), [("kill", KILLED_SECONDS), ("end", ENDED_SECONDS)])
def test_a_canary_that_turns_bad_when_its_leader_goes_is_rolled_back_by_the_other_one(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    how: str,
    seconds: float,
) -> None:
    # Given a canary in its step, good by every reading so far
    story = new_story(f"solo-bad-{how}", replicas=REPLICAS)
    pair = start_pair(story, new_operator)
    errors = {"name": "errors", "query": ERRORS, "max": "0"}
    story.adopt(steps=[step(25, "10m")], analysis={"interval": "1s", "metrics": [errors]})
    stable_pods = story.uids("v1")
    typed_at = story.set_env(VERSION="v2", ERROR_RATIO="1")

    def judged_good() -> bool:
        release = story.now().status.get("release") or {}
        verdicts = [metric["verdict"] for metric in release.get("metrics", [])]
        return "stepStartedAt" in release and verdicts == ["Pass"]

    story.eventually(judged_good, 60, "a reading passes")

    # When the leader is killed, or told to end, and then the canary fails
    first = leader(story)
    gone_at = time.time()
    getattr(pair[first], how)()
    bad_at = turn_bad(story, "v2")

    # Then the other one rolls it back in time; who was told to end has ended when it turns bad
    decided = story.until("RollingBack", "RolledBack", since=gone_at)
    took = decided.at - (gone_at if how == "kill" else bad_at)
    print(f"{how}: rolled back after {decided.at - gone_at:.1f} s, {decided.at - bad_at:.1f} s bad")
    assert took <= seconds, story.tell()
    [told] = [event for event in events(story) if event["reason"] == "RolledBack"]
    assert told["reportingInstance"] == leader(story) != first

    # And the canary goes, and the stable pods were never touched
    story.until_now("RolledBack", "v1")
    story.until_gone("v2")
    assert story.uids("v1") == stable_pods
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS
    assert most_owned(story) == 1


@pytest.mark.parametrize(("how", "seconds"), [("kill", KILLED_SECONDS), ("end", ENDED_SECONDS)])
def test_the_other_one_takes_over_in_mid_canary(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    how: str,
    seconds: float,
) -> None:
    # Given a release whose step is over soon after its leader has gone
    story = new_story(f"solo-failover-{how}", replicas=REPLICAS)
    pair = start_pair(story, new_operator)
    story.adopt(steps=[step(25, "2s"), step(50, "2s")])
    typed_at = story.set_env(VERSION="v2")
    story.until("Progressing", since=typed_at)
    story.eventually(
        lambda: (story.now().status.get("release") or {}).get("stepStartedAt"), 60, "step 1 runs"
    )

    # When the leader is killed, or told to end
    first = leader(story)
    gone_at = time.time()
    getattr(pair[first], how)()

    # Then the other one decides in time, and the release ends as if nothing had been
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    assert leader(story) not in ("", first)
    took = seconds_until_decided(story, gone_at)
    print(f"{how}: decided by the other one after {took:.1f} s")
    assert took <= seconds, story.tell()
    assert len(made(story, "v2")) == REPLICAS, story.tell()
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS
    assert stable_versions(story) == ["v1", "v2"]
    assert most_owned(story) == 1


def test_each_event_of_a_release_is_there_once(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given two operators
    story = new_story("solo-events", replicas=2)
    start_pair(story, new_operator)
    story.adopt(steps=[step(25, "3s"), step(50, "1s")])

    # When one release is promoted, and the next one is taken back by command
    story.set_env(VERSION="v2")
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    typed_at = story.set_env(VERSION="v3")
    story.until("Progressing", since=typed_at)
    story.command("abort")
    story.until_now("RolledBack", "v2")
    story.until_gone("v3")
    story.until_reconciled()

    # Then each decision that changes what to expect was told once, by the leader
    told = [(event["reason"], event["type"]) for event in events(story)]
    assert told == [
        ("Adopted", "Normal"),
        ("ReleaseStarted", "Normal"),
        ("StepPassed", "Normal"),
        ("StepPassed", "Normal"),
        ("Promoted", "Normal"),
        ("ReleaseStarted", "Normal"),
        ("CommandAccepted", "Normal"),
        ("RolledBack", "Warning"),
    ], story.tell()
    assert not [event for event in events(story) if event.get("series")]
    assert Counter(event["reportingInstance"] for event in events(story)) == {leader(story): 8}
