"""The kubelet of the model: starts, crashes, back-offs."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from sluice.model.cluster import MIDNIGHT
from sluice.model.pods import Image, Kubelet, life


def kubelet(image: Image, pods: int = 1) -> Kubelet:
    found = Kubelet(images={"v1": image})
    for _ in range(pods):
        found.make("web-a", "uid", "a", "v1", MIDNIGHT)
    return found


def after(found: Kubelet, seconds: float) -> int:
    now = MIDNIGHT + timedelta(seconds=seconds)
    found.refresh(now)
    return found.ready("uid")


def test_a_pod_is_ready_when_its_container_has_started() -> None:
    found = kubelet(Image(start_seconds=5))
    assert [after(found, seconds) for seconds in (0, 4.9, 5)] == [0, 0, 1]


def test_a_pod_is_available_when_it_has_been_ready_for_min_ready_seconds() -> None:
    found = kubelet(Image(start_seconds=5))
    after(found, 5)
    counts = [found.available("uid", 10, MIDNIGHT + timedelta(seconds=s)) for s in (5, 14.9, 15)]
    assert counts == [0, 0, 1]


@pytest.mark.parametrize(
    ("age", "restarts", "waits"),
    [(0, 0, False), (1, 1, False), (2, 1, True), (12, 2, False), (13, 2, True), (33, 3, False),
     (34, 3, True), (74, 4, False)],
)  # fmt: skip
def test_a_container_that_crashes_is_started_again_after_0_10_20_40_seconds(
    age: float, restarts: int, waits: bool
) -> None:
    found = life(age, 1.0)
    assert (found.restarts, found.waits) == (restarts, waits)


def test_the_back_off_is_never_more_than_5_minutes() -> None:
    starts = [age for age in range(3000) if life(age, 1.0) != life(age - 1, 1.0)]
    assert max(b - a for a, b in pairwise(starts)) == 300


def test_a_crash_loop_looks_as_the_api_server_shows_it() -> None:
    found = kubelet(Image(crash_after_seconds=1.0))
    (pod,) = found.seen(MIDNIGHT + timedelta(seconds=5))
    (container,) = pod.containers
    assert (container.restarts, container.waiting_reason) == (1, "CrashLoopBackOff")
    assert (container.last_exit_code, pod.ready) == (1, False)


def test_an_image_that_cannot_be_pulled_never_runs_and_says_why() -> None:
    found = kubelet(Image(pull_error="web:9: not found"))
    assert after(found, 100) == 0
    (pod,) = found.seen(MIDNIGHT)
    assert pod.containers[0].waiting_message == "web:9: not found"
    assert pod.phase == "Pending"


def test_pods_that_are_not_ready_are_taken_away_first_then_the_youngest() -> None:
    found = kubelet(Image(), 4)
    found.pods[1].broken = True
    after(found, 1)
    names = [pod.name for pod in found.pods]
    found.lower("uid", 2)
    assert [pod.name for pod in found.pods] == [names[0], names[2]]


def test_no_more_pods_of_an_image_become_ready_than_fit() -> None:
    found = kubelet(Image(), 4)
    found.at_most["v1"] = 3
    assert after(found, 1) == 3


def test_the_next_change_is_the_next_start_or_end_of_a_container() -> None:
    found = kubelet(Image(start_seconds=2, crash_after_seconds=3))
    at = [found.next_change(MIDNIGHT + timedelta(seconds=s)) for s in (0, 2)]
    assert at == [MIDNIGHT + timedelta(seconds=s) for s in (2, 3)]
