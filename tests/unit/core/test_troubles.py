"""What the canary's pods say by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from sluice.core.objects import Container, Pod
from sluice.core.troubles import Trouble, crash_suspected
from sluice.core.troubles import find as find_trouble

CRASH_RESTARTS = 3


def find(canary: Iterable[Pod], stable: Iterable[Pod], *, compared: bool = True) -> Trouble | None:
    return find_trouble(canary, stable, CRASH_RESTARTS, compared=compared)


def pod(*containers: Container, name: str = "web-new-1", **changes: object) -> Pod:
    return replace(Pod(name, "new", containers=containers), **changes)  # type: ignore[arg-type]


def waiting(reason: str, message: str = "", restarts: int = 0, name: str = "app") -> Container:
    return Container(name, restarts, reason, message)


LOOPING = Container("app", CRASH_RESTARTS, "CrashLoopBackOff", "back-off 40s", 1, "Error")


def test_pods_that_run_are_no_trouble() -> None:
    assert find([pod(Container("app"))], []) is None
    assert find([], [pod(LOOPING)]) is None


@pytest.mark.parametrize("restarts", [CRASH_RESTARTS, CRASH_RESTARTS + 5])
def test_a_container_that_keeps_crashing_is_certain(restarts: int) -> None:
    trouble = find([pod(replace(LOOPING, restarts=restarts))], [])
    assert trouble is not None
    assert trouble.certain
    assert trouble.sentence == (
        f'container "app" of pod web-new-1 restarted {restarts} times '
        "(limit 3); last state: Error, exit code 1"
    )


def test_the_limit_of_restarts_is_the_rollouts() -> None:
    crashed = [pod(replace(LOOPING, restarts=4))]
    patient, hasty = find_trouble(crashed, [], 5), find_trouble(crashed, [], 1)
    assert patient is not None
    assert hasty is not None
    assert (patient.certain, hasty.certain) == (False, True)
    assert "(limit 5)" in patient.sentence


def test_a_container_that_runs_between_two_crashes_is_certain_as_well() -> None:
    trouble = find([pod(Container("app", CRASH_RESTARTS, last_exit_reason="OOMKilled"))], [])
    assert trouble is not None
    assert trouble.certain
    assert trouble.sentence.endswith("last state: OOMKilled")


def test_a_container_that_has_crashed_less_often_is_waited_for() -> None:
    trouble = find([pod(replace(LOOPING, restarts=CRASH_RESTARTS - 1))], [])
    assert trouble is not None
    assert not trouble.certain
    assert find([pod(Container("app", CRASH_RESTARTS - 1))], []) is None


def test_a_container_that_crashes_on_the_stable_side_as_well_is_not_certain() -> None:
    trouble = find([pod(LOOPING)], [pod(LOOPING, name="web-old-1")])
    assert trouble is not None
    assert not trouble.certain


def test_a_crash_loop_is_not_certain_before_the_stable_side_has_been_looked_at() -> None:
    loop = find([pod(LOOPING)], [], compared=False)
    assert loop is not None
    assert not loop.certain
    assert "restarted 3 times" in loop.sentence
    config = find([pod(waiting("InvalidImageName"))], [], compared=False)
    assert config is not None
    assert config.certain, "no other side says anything about this"


@pytest.mark.parametrize(
    "stable",
    [
        pod(Container("app", 9), name="web-old-1"),
        pod(replace(LOOPING, name="proxy"), name="web-old-1"),
        pod(LOOPING, name="web-old-1", deleting=True),
        pod(waiting("ImagePullBackOff", restarts=9), name="web-old-1"),
    ],
    ids=["restarted once upon a time", "another container", "deleted", "no crash"],
)
def test_only_the_same_container_that_loops_now_excuses_the_canary(stable: Pod) -> None:
    trouble = find([pod(LOOPING)], [stable])
    assert trouble is not None
    assert trouble.certain


@pytest.mark.parametrize(
    "reason", ["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"]
)
def test_what_no_waiting_mends_is_certain(reason: str) -> None:
    trouble = find([pod(waiting(reason, "what it says"))], [pod(LOOPING)])
    assert trouble is not None
    assert trouble.certain
    assert (
        trouble.sentence == f'container "app" of pod web-new-1 cannot start: {reason}: what it says'
    )


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize(
    "message",
    [
        'failed to resolve reference "r/web:9": r/web:9: not found',
        "manifest unknown: manifest unknown",
        "requested access to the resource is denied",
        "repository does not exist or may require authorization",
        "unexpected status from HEAD request: 401 Unauthorized",
        "unexpected status: 403 Forbidden",
        "failed to authorize: authorization failed: no basic auth credentials",
    ],
)
def test_an_image_that_is_not_there_or_not_for_us_is_certain(reason: str, message: str) -> None:
    trouble = find([pod(waiting(reason, message))], [])
    assert trouble is not None
    assert trouble.certain


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize(
    "message",
    [
        "",
        'Back-off pulling image "web:9"',
        "dial tcp: lookup registry: i/o timeout",
        "net/http: TLS handshake timeout",
        "unexpected status: 503 Service Unavailable",
        "toomanyrequests: rate limit exceeded",
    ],
)
def test_another_pull_error_is_waited_for(reason: str, message: str) -> None:
    trouble = find([pod(waiting(reason, message))], [])
    assert trouble is not None
    assert not trouble.certain
    assert "cannot pull its image" in trouble.sentence


@pytest.mark.parametrize("reason", ["", "ContainerCreating", "PodInitializing"])
def test_a_container_that_is_being_started_is_no_trouble(reason: str) -> None:
    assert find([pod(waiting(reason))], []) is None


def test_pods_that_fit_on_no_node_are_counted_and_waited_for() -> None:
    why = "0/3 nodes are available: 3 Insufficient cpu."
    pods = [pod(name=f"web-new-{i}", unschedulable=why) for i in range(2)]
    trouble = find([*pods, pod(name="web-new-9", unschedulable=why, deleting=True)], [])
    assert trouble is not None
    assert not trouble.certain
    assert trouble.sentence == f"2 canary pods do not fit on any node: {why}"


@pytest.mark.parametrize("container", [LOOPING, waiting("InvalidImageName")])
def test_a_deleted_pod_says_nothing(container: Container) -> None:
    assert find([pod(container, deleting=True)], []) is None
    assert not crash_suspected([pod(container, deleting=True)])


def test_an_init_container_counts_like_any_other() -> None:
    init = replace(LOOPING, name="migrate")
    trouble = find([pod(init, waiting("PodInitializing"))], [])
    assert trouble is not None
    assert trouble.certain
    assert 'container "migrate"' in trouble.sentence


def test_what_is_certain_is_told_before_what_is_waited_for() -> None:
    stuck = pod(name="web-new-0", unschedulable="0/3 nodes are available")
    pulling = pod(waiting("ErrImagePull", "timeout"), name="web-new-1")
    bad = pod(waiting("InvalidImageName"), name="web-new-2")
    trouble = find([stuck, pulling, bad], [])
    assert trouble is not None
    assert trouble.certain
    assert "web-new-2" in trouble.sentence
    waits = find([stuck, pulling], [])
    assert waits is not None
    assert "web-new-1" in waits.sentence


def test_a_long_message_is_cut_and_has_one_line() -> None:
    trouble = find([pod(waiting("InvalidImageName", "so\n  long " * 100))], [])
    assert trouble is not None
    assert "\n" not in trouble.sentence
    assert trouble.sentence.endswith("…")
    assert len(trouble.sentence) < 300


@pytest.mark.parametrize(("restarts", "suspected"), [(0, False), (1, True), (3, True), (9, True)])
def test_the_stable_side_is_looked_at_from_the_first_restart_on(
    restarts: int, suspected: bool
) -> None:
    assert crash_suspected([pod(Container("app", restarts))]) is suspected


def test_the_same_pods_in_an_iterator_give_the_same_trouble() -> None:
    pods = [pod(LOOPING), pod(name="web-new-2", unschedulable="no room")]
    assert find(iter(pods), iter(())) == find(pods, ())
