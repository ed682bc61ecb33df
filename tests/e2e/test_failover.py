"""Two operators for one namespace: one leads, the other one takes over, and releases go on."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.local_operator import LocalOperator
from stage.cluster import Json
from stage.manifests import step
from stage.story import Story

REPLICAS = 3
KILLED_SECONDS = 20
ENDED_SECONDS = 3

Pair = dict[str, LocalOperator]


@pytest.fixture
def new_pair(new_operator: Callable[..., LocalOperator]) -> Callable[[Story], Pair]:
    """Starts two operators that stand for election in the story's namespace, by name."""

    def new(story: Story) -> Pair:
        pair = {name: new_operator(story, rival=name) for name in ("one", "two")}
        for operator in pair.values():
            operator.start()
        story.operator_log = lambda: "\n".join(each.log_tail() for each in pair.values())
        story.eventually(
            lambda: all(each.watching for each in pair.values()), 60, "both are watching"
        )
        return pair

    return new


def leader(story: Story) -> str:
    """The name of the operator that holds the Lease; empty when none does."""
    found = story.cluster.find("leases", story.namespace, "sluice")
    holder: str = found["spec"].get("holderIdentity", "") if found else ""
    return holder.partition("_")[0]


def events(story: Story) -> list[Json]:
    """The Events about the Rollout, oldest first."""
    found = story.kubectl("get", "events.events.k8s.io", "-o", "json")
    about = [item for item in json.loads(found)["items"] if item["regarding"]["kind"] == "Rollout"]
    return sorted(about, key=lambda item: str(item["eventTime"]))


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


@pytest.mark.parametrize(("how", "seconds"), [("kill", KILLED_SECONDS), ("end", ENDED_SECONDS)])
def test_the_other_one_takes_over_in_mid_canary(
    new_story: Callable[..., Story],
    new_pair: Callable[[Story], Pair],
    how: str,
    seconds: float,
) -> None:
    # Given a release whose step is over soon after its leader has gone
    story = new_story(f"solo-failover-{how}", replicas=REPLICAS)
    pair = new_pair(story)
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
    new_story: Callable[..., Story], new_pair: Callable[[Story], Pair]
) -> None:
    # Given two operators
    story = new_story("solo-events", replicas=2)
    new_pair(story)
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
