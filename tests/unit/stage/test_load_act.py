"""What the demo's act of the load measures, and what it finds wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from sluice.api.convert import policy_of
from stage import manifests
from stage.load_act import (
    Followed,
    LoadAct,
    LoadResult,
    demo_act,
    judge,
    measure,
    replicas_over_time,
    turns,
)
from stage.watching import PodSeen

ROSE, FELL, DONE = 100.0, 160.0, 200.0
ACT = LoadAct(
    typed=(), calm=60, busy=300, per_pod=40, min_replicas=2, max_replicas=10, window_seconds=20
)
AS_IT_SHOULD = Followed(fewest=2, most=4, turns=1, first_more_seconds=6.0, quiet_seconds=30.0)


def pod(seen_at: float, gone_at: float | None = None) -> PodSeen:
    """A pod that was ready 2 s after it was seen, and whose deletion took 5 s."""
    name = f"web-{seen_at:g}"
    ending = None if gone_at is None else gone_at - 5
    return PodSeen(
        name, name, "hash", seen_at, ready_at=seen_at + 2, terminating_at=ending, gone_at=gone_at
    )


def result(followed: Followed = AS_IT_SHOULD, *, failed: int = 0, lost: int = 0) -> LoadResult:
    return LoadResult(ACT, ROSE, FELL, DONE, followed, failed, lost)


@pytest.mark.parametrize(
    ("per_second", "pods"), [(1, 2), (80, 2), (81, 3), (300, 8), (400, 10), (4000, 10)]
)
def test_a_load_asks_for_pods_within_the_bounds(per_second: float, pods: int) -> None:
    assert ACT.pods_for(per_second) == pods


def test_the_demo_has_its_numbers_from_the_patch_that_is_typed() -> None:
    act = demo_act()
    assert act.typed[-1] == "--patch-file=deploy/demo/patches/scaling.yaml"
    assert act.pods_for(act.calm) == 2
    assert act.pods_for(act.busy) == 8
    assert act.busy == 5 * act.calm
    # A load that measures 5 % more asks for no pod more: else chance would make one.
    assert act.pods_for(1.05 * act.calm) == 2
    assert act.pods_for(1.05 * act.busy) == 8


def test_the_rollout_is_a_good_one_with_the_patch() -> None:
    patch = yaml.safe_load((manifests.FOLDER / "patches" / "scaling.yaml").read_text())
    policy = policy_of({**manifests.rollout("demo")["spec"], **patch["spec"]})
    assert policy.scaling is not None
    assert policy.scaling.behavior is not None
    assert policy.scaling.behavior.down.window_seconds == demo_act().window_seconds


def test_what_pods_did_is_measured_from_the_changes_of_the_load() -> None:
    stayed = [pod(10), pod(11)]
    before = pod(12, gone_at=90)
    came = [pod(106, gone_at=192), pod(107, gone_at=193), pod(121, gone_at=191.5)]
    followed = measure([*stayed, before, *came], ROSE, FELL, DONE, wanted=5)
    assert followed == Followed(
        fewest=2,
        most=5,
        turns=1,
        first_more_seconds=6.0,
        all_ready_seconds=23.0,
        last_gone_seconds=33.0,
        quiet_seconds=65.5,
    )


def test_what_was_not_seen_is_not_measured() -> None:
    followed = measure([pod(10), pod(11)], ROSE, FELL, DONE, wanted=5)
    assert followed == Followed(fewest=2, most=2, turns=0)


def test_a_pod_counts_until_its_deletion_begins() -> None:
    pods = [pod(10), pod(11), pod(110, gone_at=150)]
    assert replicas_over_time(pods, ROSE, DONE) == [(100, 2), (110, 3), (145, 2)]


@pytest.mark.parametrize(
    ("course", "number"),
    [
        ([2], 0),
        ([2, 3, 4], 0),
        ([2, 3, 4, 3, 2], 1),
        ([2, 4, 3, 4, 2], 3),
        ([2, 4, 4, 2], 1),
    ],
)
def test_turns_are_changes_of_direction(course: list[int], number: int) -> None:
    assert turns(list(enumerate(course))) == number


def test_nothing_is_wrong_with_pods_that_follow() -> None:
    assert judge(result()) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result(lost=1), "1 requests were lost ()"),
        (result(failed=3), "3 requests were answered with an error"),
        (result(replace(AS_IT_SHOULD, most=11)), "2 to 11 pods were seen, not 2 to 10"),
        (result(replace(AS_IT_SHOULD, fewest=1)), "1 to 4 pods were seen, not 2 to 10"),
        (result(replace(AS_IT_SHOULD, turns=3)), "replicas changed their direction 3 times"),
        (result(replace(AS_IT_SHOULD, turns=0)), "replicas changed their direction 0 times"),
        (
            result(replace(AS_IT_SHOULD, first_more_seconds=21.0)),
            "the first pod more came only 21.0 s after the load had risen",
        ),
        (
            result(replace(AS_IT_SHOULD, quiet_seconds=11.0)),
            "a pod was taken away 11.0 s after the last one was made, within the window of 20 s",
        ),
    ],
)
def test_what_went_wrong_is_said(found: LoadResult, said: str) -> None:
    (problem,) = judge(found)
    assert problem.startswith(said)
