"""A real Prometheus is frozen, stopped and replaced while it compares both versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest

from e2e.invariants import made, most_owned
from e2e.local_operator import LocalOperator
from e2e.spare_prometheus import SparePrometheus
from sluice.core.release_data import CHECKPOINT_SECONDS
from stage.cluster import Json
from stage.manifests import step
from stage.story import Moment, Story

REPLICAS: Final = 4
# Of both versions: enough for a count that is read twice or by halves to look like a regression.
ERROR_RATIO: Final = "0.02"
COUNTERS: Final = {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"}
ANALYSIS: Final = {
    "source": "spare",
    "interval": "1s",
    "minRequests": 1,
    "noData": {"after": "3s", "action": "Pause"},
    "metrics": [{"name": "errors", "counters": COUNTERS}],
}
# A round, its pass, and the write of the checkpoint.
SLACK_SECONDS: Final = 5
# What may be heard of a server whose process does not run: it depends on how soon its address goes.
AWAY: Final = re.compile(r"is unknown \((Unreachable|Refused|Timeout|Empty|Stale): ")


def test_evidence_goes_on_whatever_becomes_of_prometheus_and_a_bad_version_is_found(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    subtests: pytest.Subtests,
) -> None:
    # Given a release that is as good as the stable version, compared by a Prometheus of its own
    environment = {"ERROR_RATIO": ERROR_RATIO}
    story = new_story("solo-replaced", replicas=REPLICAS, rate=40, environment=environment)
    spare = SparePrometheus(story)
    new_operator(story, spare=spare.url).start()
    story.adopt(steps=[step(25, "1s", approval="Required")], analysis=ANALYSIS)
    typed_at = story.set_env(VERSION="v2")
    before = until_counted(story, 1)

    # When its process is frozen, and goes on
    with subtests.test("frozen"):
        spare.freeze()
        until_paused(story, since=before.at)
        spare.thaw()
        # Then the release holds meanwhile, and what was counted is counted on
        before = until_counted(story, requests(before) + 50)

    # When it is stopped, and one without any data comes in its place
    with subtests.test("stopped"):
        spare.scale(0)
        until_paused(story, since=before.at)
        spare.scale(1)
        before = until_counted(story, requests(before) + 50)

    # When it is replaced at once
    with subtests.test("replaced"):
        spare.replace()
        before = until_counted(story, requests(before) + 50)

    # Then no verdict was ever false, and the release goes on to its end
    assert_kept(story, typed_at)
    phases = {moment.phase for moment in story.moments(typed_at)}
    assert phases <= {"Healthy", "Progressing", "Paused"}, story.tell()
    assert len(made(story, "v2")) == 1
    story.command("promote")
    story.until_now("Healthy", "v2")
    story.until_gone("v1")

    # When a bad version comes while it is away
    spare.scale(0)
    bad_at = story.set_env(VERSION="v3", ERROR_RATIO="0.4")
    until_paused(story, since=bad_at)
    assert story.uids("v3")

    # Then it is found when there is an empty one in its place
    spare.scale(1)
    ended = story.until_now("RolledBack", "v2")
    assert "worse, with confidence 0.99" in ended.message
    story.until_gone("v3")
    assert most_owned(story) == 1


def metric(moment: Moment) -> Json:
    metrics: list[Json] = moment.status.get("release", {}).get("metrics") or [{}]
    return metrics[0]


def counts(moment: Moment) -> bool:
    return metric(moment).get("verdict") == "Pass"


def requests(moment: Moment) -> int:
    """How many requests of the canary its verdict rests on."""
    found = re.search(r"of (\d+) requests .*on the canary", metric(moment)["message"])
    assert found is not None, metric(moment)
    return int(found[1])


def assert_kept(story: Story, since: float) -> None:
    """A Prometheus without its data costs no more than was counted since the last checkpoint."""
    told = [(moment.at, requests(moment)) for moment in story.moments(since) if counts(moment)]
    for (last_at, _), (_, count) in pairwise(told):
        kept_until = last_at - CHECKPOINT_SECONDS - SLACK_SECONDS
        assert count >= max((n for at, n in told if at < kept_until), default=0), told


def until_counted(story: Story, least: int) -> Moment:
    """A status that waits for approval with a verdict on so many requests."""

    def counted() -> Moment | None:
        found = story.now()
        waits = found.phase == "Paused" and "waits for approval" in found.message
        return found if waits and counts(found) and requests(found) >= least else None

    return story.eventually(counted, 60, f"a verdict on {least} requests")


def until_paused(story: Story, *, since: float) -> Moment:
    """The release is paused because nothing is known, and says why."""

    def paused() -> Moment | None:
        moments = (m for m in story.moments(since) if "(noData.after)" in m.message)
        return next((m for m in moments if m.phase == "Paused"), None)

    found = story.eventually(paused, 60, "a pause for want of data")
    assert AWAY.search(found.message), found.message
    return found
