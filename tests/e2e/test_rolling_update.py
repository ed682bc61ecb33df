"""The operator in the cluster is rolled, as in an upgrade, in the middle of a release."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from e2e.invariants import fewest_serving, made, most_owned
from stage.cluster import SYSTEM, kubectl
from stage.manifests import step
from stage.story import Story
from stage.traffic import failed, lost
from stage.watching import Change, Watch

REPLICAS = 3
# Between two leaders: the one that leaves gives its Lease back, and the other one looks every 2 s.
PAUSE_SECONDS = 3.0


def test_a_release_goes_on_while_the_operator_is_rolled(new_story: Callable[..., Story]) -> None:
    # Given a release in its step, under traffic
    story = new_story("e2e-rolled", replicas=REPLICAS, rate=40)
    story.adopt(steps=[step(25, "5s"), step(50, "20s")])
    before = story.traffic()
    leases = Watch(story.cluster, "leases", SYSTEM)
    typed_at = story.set_env(VERSION="v2")
    story.until("Progressing", since=typed_at)

    # When both replicas of the operator are replaced by new ones
    old = operator_pods()
    kubectl("-n", SYSTEM, "rollout", "restart", "deployment/sluice")
    kubectl("-n", SYSTEM, "rollout", "status", "deployment/sluice", "--timeout=120s")
    story.eventually(lambda: not operator_pods() & old, 60, "the old replicas have ended")

    # Then the release ends as if nothing had been
    story.until_now("Healthy", "v2")
    story.until_gone("v1")
    end = story.traffic()
    counts = end.since(before)
    assert (lost(counts), failed(counts)) == (0, 0)
    assert len(made(story, "v2")) == REPLICAS
    assert fewest_serving(story, typed_at, time.time()) >= REPLICAS
    assert most_owned(story) == 1

    # And another one led, with hardly a moment in which nobody did
    changes = [change for change in leases.changes() if name_of(change) == "sluice"]
    leases.stop()
    assert len({holder_of(change) for change in changes} - {""}) >= 2
    pauses = [after.at - at.at for at, after in pairwise(changes) if not holder_of(at)]
    print(f"nobody led for {max(pauses, default=0.0):.1f} s at most")
    assert max(pauses, default=0.0) <= PAUSE_SECONDS


def operator_pods() -> set[str]:
    """The names of the operator's pods."""
    return set(kubectl("-n", SYSTEM, "get", "pods", "-l", "app=sluice", "-o", "name").split())


def name_of(change: Change) -> str:
    return str(change.object["metadata"]["name"])


def holder_of(change: Change) -> str:
    return str(change.object["spec"].get("holderIdentity") or "")
