"""The demo's fifth act: the load rises, pods follow it, and go when it has fallen.

`play` types what a user would, changes the load and measures from the record of the watch of pods;
`LoadResult.problems` says in sentences what did not go as it should. The end-to-end tests may play
the same act.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import yaml

from stage import manifests
from stage.acts import lost_in_words, traffic_after
from stage.cluster import Json
from stage.narrator import Narrator, say
from stage.story import Story
from stage.traffic import Traffic, failed, lost
from stage.watching import PodSeen

PATCH: Final = "deploy/demo/patches/scaling.yaml"
TITLE: Final = "the load rises and falls"
# How soon the first pod more has to be seen: a rate over 10 s that crosses what the pods can take
# after some 2 s, two intervals of 5 s, and the making of the pod.
FOLLOWS_WITHIN_SECONDS: Final = 15.0


@dataclass(frozen=True)
class LoadAct:
    """What is typed, the load in requests per second, and what `spec.scaling` then says.

    The load is `calm` at first and at the end. It is `busy` until all pods that it asks for are
    ready, and then for `stays_seconds` more. Each part may take `timeout_seconds`.
    """

    typed: tuple[str, ...]
    calm: float
    busy: float
    per_pod: float
    min_replicas: int
    max_replicas: int
    window_seconds: float
    stays_seconds: float = 20.0
    timeout_seconds: float = 90.0

    def pods_for(self, per_second: float) -> int:
        """How many pods such a load asks for."""
        asked = math.ceil(per_second / self.per_pod)
        return min(self.max_replicas, max(self.min_replicas, asked))


def demo_act(*, calm: float = 60, busy: float = 300) -> LoadAct:
    """The demo's own: the patch that its file has, and a load that rises to five times as much.

    Neither load is near to a multiple of what a pod takes, so that chance adds no pod.
    """
    path = manifests.FOLDER / "patches" / "scaling.yaml"
    scaling: Json = yaml.safe_load(path.read_text())["spec"]["scaling"]
    return LoadAct(
        typed=("patch", "slr/web", "--type=merge", f"--patch-file={PATCH}"),
        calm=calm,
        busy=busy,
        per_pod=float(scaling["metrics"][0]["target"]["averageValue"]),
        min_replicas=int(scaling["minReplicas"]),
        max_replicas=int(scaling["maxReplicas"]),
        window_seconds=float(scaling["behavior"]["scaleDown"]["stabilizationWindowSeconds"]),
    )


@dataclass(frozen=True)
class Followed:
    """What pods did from the rise of the load on; None where it was not seen.

    `first_more_seconds` and `all_ready_seconds` are after the rise, `last_gone_seconds` after the
    fall. `fewest` and `most` count pods that were not being deleted. `turns` are changes of
    direction; `quiet_seconds` lie between the last pod made and the first one taken away.
    """

    fewest: int
    most: int
    turns: int
    first_more_seconds: float | None = None
    all_ready_seconds: float | None = None
    last_gone_seconds: float | None = None
    quiet_seconds: float | None = None


@dataclass
class LoadResult:
    """The act as it went. Times are Unix seconds; `failed` and `lost` count requests."""

    act: LoadAct
    rose_at: float
    fell_at: float
    done_at: float
    followed: Followed
    failed: int = 0
    lost: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    problems: list[str] = field(default_factory=list)


def play(story: Story, act: LoadAct) -> LoadResult:
    """Play the act to its end, and measure it.

    The story must have a load generator; its Rollout must be at rest.
    """
    before = story.traffic()
    narrator = Narrator(story)
    missed: list[str] = []

    def until(condition: Callable[[], bool], what: str) -> None:
        if not narrator.tell_until(condition, act.timeout_seconds):
            missed.append(f"not within {act.timeout_seconds:g} s: {what}")

    calm_pods, busy_pods = act.pods_for(act.calm), act.pods_for(act.busy)
    story.set_rate(act.calm)
    story.kubectl(*act.typed)
    until(lambda: _settled(story, calm_pods), f"{calm_pods} pods for {act.calm:g} requests/s")
    say(f"{_number_of_pods(story)} pods are enough. Now {act.busy:g} requests per second come.")
    rose_at = story.set_rate(act.busy)
    until(lambda: _serving(story) >= busy_pods, f"{busy_pods} pods for {act.busy:g} requests/s")
    say(f"{_serving(story)} pods are ready. The load stays for {act.stays_seconds:g} s.")
    end = time.time() + act.stays_seconds
    narrator.tell_until(lambda: time.time() > end, act.stays_seconds + 5)
    say(f"Now it falls, to {act.calm:g} requests per second.")
    fell_at = story.set_rate(act.calm)
    until(lambda: _settled(story, calm_pods), f"{calm_pods} pods again")
    done_at = time.time()
    followed = measure(story.pods_seen(), rose_at, fell_at, done_at, busy_pods)
    result = LoadResult(act, rose_at, fell_at, done_at, followed, problems=missed)
    result.traffic = traffic_after(story, done_at)
    counts = result.traffic.since(before)
    result.failed, result.lost = failed(counts), lost(counts)
    result.problems += judge(result)
    return result


def _number_of_pods(story: Story) -> int:
    """The pods of the app, those being deleted included."""
    return sum(pod.gone_at is None for pod in story.pods_seen())


def _serving(story: Story) -> int:
    now = time.time()
    return sum(pod.serving_at(now) for pod in story.pods_seen())


def _settled(story: Story, number: int) -> bool:
    return _number_of_pods(story) == _serving(story) == number


def replicas_over_time(
    pods: Iterable[PodSeen], start: float, end: float
) -> list[tuple[float, int]]:
    """How many pods there were that were not being deleted, as (from when, how many).

    The first is that at `start`.
    """
    changes = [(pod.seen_at, 1) for pod in pods]
    changes += [(pod.terminating_at, -1) for pod in pods if pod.terminating_at is not None]
    number = sum(change for at, change in changes if at <= start)
    series = [(start, number)]
    for at, change in sorted(changes):
        if start < at <= end:
            number += change
            series.append((at, number))
    return series


def turns(series: Sequence[tuple[float, int]]) -> int:
    """How often the values went up after they had gone down, or the other way."""
    steps = [b > a for (_, a), (_, b) in pairwise(series) if a != b]
    return sum(a != b for a, b in pairwise(steps))


def measure(
    pods: Sequence[PodSeen], rose_at: float, fell_at: float, done_at: float, wanted: int
) -> Followed:
    """What the pods did; `wanted` of them are ready when all are."""
    series = replicas_over_time(pods, rose_at, done_at)
    made = sorted(pod.seen_at for pod in pods if rose_at < pod.seen_at <= done_at)
    ended = sorted(
        pod.terminating_at
        for pod in pods
        if pod.terminating_at is not None and rose_at < pod.terminating_at <= done_at
    )
    gone = [pod.gone_at for pod in pods if pod.gone_at is not None and pod.gone_at > fell_at]
    ready = sorted(pod.ready_at for pod in pods if pod.ready_at is not None)
    all_ready = next(
        (at for at in ready if at > rose_at and sum(p.serving_at(at) for p in pods) >= wanted), None
    )
    return Followed(
        fewest=min(number for _, number in series),
        most=max(number for _, number in series),
        turns=turns(series),
        first_more_seconds=made[0] - rose_at if made else None,
        all_ready_seconds=None if all_ready is None else all_ready - rose_at,
        last_gone_seconds=max(gone) - fell_at if gone else None,
        quiet_seconds=ended[0] - made[-1] if made and ended else None,
    )


def judge(result: LoadResult) -> list[str]:
    """What did not go as it should, as sentences; empty when all did."""
    act, followed = result.act, result.followed
    problems = []
    if result.lost:
        problems.append(lost_in_words(result.lost, result.traffic))
    if result.failed:
        problems.append(f"{result.failed} requests were answered with an error")
    if followed.fewest < act.min_replicas or followed.most > act.max_replicas:
        seen = f"{followed.fewest} to {followed.most}"
        problems.append(f"{seen} pods were seen, not {act.min_replicas} to {act.max_replicas}")
    if followed.turns != 1:
        problems.append(f"replicas changed their direction {followed.turns} times, not once")
    first = followed.first_more_seconds
    if first is not None and first > FOLLOWS_WITHIN_SECONDS:
        problems.append(f"the first pod more came only {first:.1f} s after the load had risen")
    quiet = followed.quiet_seconds
    if quiet is not None and quiet < act.window_seconds:
        problems.append(
            f"a pod was taken away {quiet:.1f} s after the last one was made, within the window "
            f"of {act.window_seconds:g} s"
        )
    return problems
