"""Replicas follow the metric, within their bounds, and never fall because a metric is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from e2e import audit
from e2e.deployment_watch import DeploymentWatch
from e2e.invariants import most_owned
from e2e.load_counts import assert_all_answered
from e2e.local_operator import LocalOperator
from e2e.prometheus import first_above
from e2e.scaling import (
    RPS,
    RPS_OF,
    adopt,
    condition,
    fast,
    replicas,
    set_metrics,
    turns,
    until_replicas,
    wanted,
)
from stage.cluster import OPERATOR_USER, Json
from stage.manifests import step
from stage.story import Story

AUTOSCALER: Json = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "rival"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 2,
    },
}


def test_replicas_follow_a_load_that_rises_and_falls(
    new_story: Callable[..., Story], watched: Callable[[Story], DeploymentWatch]
) -> None:
    # Given 30 requests per second, and 20 as the target of a pod
    window, interval = 15, 5
    story = new_story("scaled", replicas=2, rate=30)
    deployment = watched(story)
    metric = {"name": "rps", "query": RPS, "target": {"averageValue": 20}}
    adopt(
        story, metrics=[metric], minReplicas=2, maxReplicas=6, behavior=fast(window),
        interval=f"{interval}s",
    )  # fmt: skip
    before = story.traffic()

    # When there are five times as many, and later as few as before
    begun = story.set_rate(150)
    until_replicas(story, 6)
    story.until_serving("v1", 6)
    story.set_rate(30)
    until_replicas(story, 2)
    story.until_serving("v1", 2)

    # Then they followed within two intervals of the metric's crossing what two pods can take
    course = deployment.replicas(begun)
    crossed = first_above(RPS_OF.format(namespace=story.namespace), 2 * 20 * 1.1, begun)
    assert crossed is not None
    followed = next(at for at, number in course if number > 2)
    assert followed - crossed <= 2 * interval, course

    # And each change was told, with its reason
    told = [(each["from"], each["to"]) for each in story.now().status["scaling"]["changes"]]
    seen = [(a, b) for (_, a), (_, b) in pairwise(deployment.replicas(begun))]
    assert told[-len(seen) :] == seen[-len(told) :], story.tell()

    # And stayed within their bounds, did not turn within the window, and nothing was lost
    assert {number for _, number in course} <= set(range(2, 7)), course
    found = list(turns(course))
    assert len(found) == 1, course
    assert found[0].seconds >= window, course
    assert_all_answered(story, before)


def test_a_window_survives_the_operator(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    watched: Callable[[Story], DeploymentWatch],
) -> None:
    # Given six replicas, and a window of 30 s before any goes
    window = 30
    story = new_story("solo-window", replicas=2)
    operator = new_operator(story)
    operator.start()
    deployment = watched(story)
    adopt(story, metrics=wanted(6), behavior=fast(window))
    until_replicas(story, 6)

    # When the metric falls, and the operator is killed twice within the window
    fell_at = time.time()
    set_metrics(story, wanted(2))
    for seconds in (8, 20):
        story.until_time(fell_at + seconds)
        assert replicas(story) == 6
        operator.restart()
    until_replicas(story, 2)

    # Then the window was kept: neither cut short nor begun anew
    at, number = deployment.replicas(fell_at)[-1]
    assert number == 2
    assert window - 2 <= at - fell_at <= window + 6, deployment.replicas(fell_at)


def test_a_rollout_that_only_recommends_writes_no_replicas(
    new_story: Callable[..., Story],
) -> None:
    story = new_story("recommended", replicas=2)
    position = audit.mark()
    adopt(story, metrics=wanted(5), behavior=fast(), mode="Recommend")
    story.eventually(
        lambda: story.now().status.get("scaling", {}).get("desired") == 5, 30, "a recommendation"
    )
    assert replicas(story) == 2
    entries = audit.by(OPERATOR_USER, audit.since(position), story.namespace)
    assert audit.counted(audit.writes(entries))["patch deployments/scale"] == 0


def test_another_autoscaler_is_given_way_to_until_it_goes(
    new_story: Callable[..., Story], watched: Callable[[Story], DeploymentWatch]
) -> None:
    # Given a Rollout that wants three replicas, beside an autoscaler on the same Deployment
    story = new_story("rival", replicas=2)
    story.apply({**AUTOSCALER, "metadata": {"name": "rival", "namespace": story.namespace}})
    adopt(story, metrics=wanted(3), behavior=fast())
    deployment = watched(story)

    # Then it says who is in the way, and writes nothing
    found = story.eventually(lambda: condition(story, "Conflict"), 30, "the conflict is said")
    assert "HorizontalPodAutoscaler rival" in found["message"]
    story.until_reconciled()
    assert {number for _, number in deployment.replicas()} == {2}

    # When the other one goes, it heals
    story.kubectl("delete", "hpa/rival")
    until_replicas(story, 3)
    story.eventually(lambda: not condition(story, "Conflict"), 30, "the conflict is over")


def test_a_deployment_at_zero_is_left_alone_until_somebody_raises_it(
    new_story: Callable[..., Story],
) -> None:
    story = new_story("zero", replicas=2)
    adopt(story, metrics=wanted(4), behavior=fast())
    until_replicas(story, 4)
    story.scale(0)
    story.eventually(
        lambda: condition(story, "ScalingActive").get("reason") == "ScalingDisabled", 30, "off"
    )
    story.until_reconciled()
    assert replicas(story) == 0
    story.scale(1)
    until_replicas(story, 4)


def test_what_somebody_sets_beyond_the_bounds_is_brought_back(
    new_story: Callable[..., Story],
) -> None:
    story = new_story("bounds", replicas=2)
    adopt(story, metrics=wanted(3), minReplicas=2, maxReplicas=4, behavior=fast(3600))
    until_replicas(story, 3)
    story.scale(7)
    until_replicas(story, 4)
    story.scale(1)
    until_replicas(story, 3)


def test_a_canary_follows_a_scale_out_and_is_not_blamed_for_it(
    new_story: Callable[..., Story],
) -> None:
    # Given a canary whose errors are compared with the stable version's
    story = new_story("together", replicas=3, rate=60, environment={"ERROR_RATIO": "0.02"})
    counters = {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"}
    canary = {
        "steps": [step(25, "25s")],
        "analysis": {"interval": "1s", "metrics": [{"name": "errors", "counters": counters}]},
    }
    adopt(story, canary, metrics=wanted(3), behavior=fast())
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    # When there shall be six in mid-step
    set_metrics(story, wanted(6))
    until_replicas(story, 6)

    # Then the canary grows with them, and the release goes to its end
    story.until_serving("v2", 2)
    story.until_now("Healthy", "v2")
    phases = {moment.phase for moment in story.moments(typed_at)}
    assert not phases & {"RollingBack", "RolledBack", "Stalled"}, story.tell()
    assert replicas(story) == 6
    assert most_owned(story) == 1


def test_lowering_waits_for_a_rollback_and_a_bad_version_is_still_found(
    new_story: Callable[..., Story], watched: Callable[[Story], DeploymentWatch]
) -> None:
    # Given a bad canary beside four replicas
    story = new_story("lowered", replicas=4)
    adopt(story, {"steps": [step(50, "10m")]}, metrics=wanted(4), behavior=fast())
    story.set_env(VERSION="v2")
    story.until_serving("v2", 4)
    deployment = watched(story)

    # When it is aborted, and two replicas are enough from then on
    story.command("abort")
    set_metrics(story, wanted(2))
    rolled_back = story.until_now("RolledBack", "v1")
    until_replicas(story, 2)

    # Then they went only when the rollback was over
    lowered = [at for at, number in deployment.replicas() if number < 4]
    over = min(m.at for m in story.moments() if m.phase == "RolledBack")
    assert min(lowered) >= over - 1, (lowered, rolled_back)


def test_a_settled_scaler_writes_nothing(new_story: Callable[..., Story]) -> None:
    story = new_story("e2e-settled-scaler", replicas=2)
    adopt(story, metrics=wanted(3), behavior=fast())
    until_replicas(story, 3)
    story.until_serving("v1", 3)
    story.until_reconciled()
    story.until("Healthy", since=time.time() - 5)
    position = audit.mark()
    story.until_time(time.time() + 30)
    entries = audit.by(OPERATOR_USER, audit.since(position), story.namespace)
    assert audit.counted(audit.writes(entries)) == {}, story.tell()
