"""Thirty releases in a row under load, with leaders killed at random: nobody notices."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.load_counts import LONG_DRAIN, assert_all_answered
from e2e.local_operator import LocalOperator
from e2e.rivals import Pair, leader, start_pair
from stage.manifests import step
from stage.story import Story
from stage.traffic import answered_by

RELEASES = 30
REPLICAS = 3
RATE = 50
# Short, because a killed leader is waited for; still many times a renewal on a busy machine.
LEASE_SECONDS = 4.0
SEED = 4
# In every third release; so long after it was typed at most, which is about when it is over.
KILLED_EVERY = 3
LATEST_SECONDS = 4.0


def test_thirty_releases_with_leaders_killed_lose_no_request(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given three replicas under load, and two operators
    story = new_story("solo-thirty", replicas=REPLICAS, rate=RATE, environment=LONG_DRAIN)
    pair = start_pair(story, new_operator, LEASE_SECONDS)
    story.adopt(steps=[step(50, "1s")])
    began, before = time.time(), story.traffic()
    chance, killed = random.Random(SEED), []
    versions = [f"r{number}" for number in range(1, RELEASES + 1)]

    for number, version in enumerate(versions):
        # When one version after another comes, and the leader is killed in some of them
        typed_at = story.set_env(VERSION=version)
        if number % KILLED_EVERY == 0:
            killed.append(kill_leader(story, pair, typed_at + chance.uniform(0.0, LATEST_SECONDS)))

        # Then each of them is promoted
        story.until_now("Healthy", version)
    story.until_gone(versions[-2])
    done_at = time.time()

    # And three pods were made for each of them, once, and none of an earlier version again
    story.eventually(lambda: len(story.pods()) == REPLICAS, 60, "the old pods are gone")
    assert {version: len(made(story, version)) for version in versions} == dict.fromkeys(
        versions, REPLICAS
    ), story.tell()
    assert len(story.pods_seen(since=began)) == RELEASES * REPLICAS, story.tell()
    assert stable_versions(story, began) == ["v1", *versions]
    assert most_owned(story) == 1

    # And three served all the time, and every request was answered, by each version some
    assert fewest_serving(story, began, done_at) >= REPLICAS, story.tell()
    counts = assert_all_answered(story, before)
    assert all(answered_by(counts, version) for version in versions), counts
    requests, took = sum(counts.values()), done_at - began
    print(f"{RELEASES} releases and {requests} requests in {took:.0f} s; killed in {killed}")


def kill_leader(story: Story, pair: Pair, instant: float) -> str:
    """SIGKILL whoever leads at that instant, and start it again; the phase it was killed in."""
    story.eventually(lambda: time.time() >= instant, 60, "the moment of the kill")
    name = str(story.eventually(lambda: leader(story), 30, "somebody leads"))
    phase = story.now().phase
    pair[name].restart()
    return phase
