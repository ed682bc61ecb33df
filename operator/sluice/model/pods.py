"""Pods, and the kubelet that starts their one container: how long it takes, whether it stays up.

A pod that is deleted is gone at once: there is no graceful end. Nodes are endless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sluice.core.objects import Container, Pod

# The kubelet restarts a container at once the first time, then after 10 s, twice that, ... 5 min.
_BACKOFF_SECONDS: Final = 10.0
_BACKOFF_AT_MOST_SECONDS: Final = 300.0
# A container that has run for so long is restarted at once again.
_BACKOFF_FORGOTTEN_SECONDS: Final = 600.0
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_PREFIX_LENGTH: Final = 58


@dataclass(frozen=True, slots=True)
class Image:
    """How a container of this image behaves."""

    # From the start of the container until it is ready.
    start_seconds: float = 0.0
    # It ends with an error so long after each of its starts; None: it stays up.
    crash_after_seconds: float | None = None
    # What the registry says when it cannot be pulled; empty: it can.
    pull_error: str = ""
    # It runs, but its readiness probe never succeeds.
    never_ready: bool = False


@dataclass(slots=True)
class RunningPod:
    """A pod on its node. `broken` pods fail their readiness probe."""

    name: str
    pod_hash: str
    image: str
    owner_uid: str | None
    born: datetime
    started: bool = False
    broken: bool = False
    ready_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """Where a container that may crash is: how often it was started again, and since when it runs
    or waits (seconds of the pod's age).
    """

    restarts: int
    since_seconds: float
    waits: bool = False


def life(age_seconds: float, crash_after_seconds: float | None) -> Life:
    """The container's life at this age of its pod."""
    start, restarts, pause = 0.0, 0, 0.0
    while crash_after_seconds is not None:
        end = start + crash_after_seconds
        if age_seconds < end:
            break
        if crash_after_seconds >= _BACKOFF_FORGOTTEN_SECONDS:
            pause = 0.0
        if age_seconds < end + pause:
            return Life(restarts, end, waits=True)
        start, restarts = end + pause, restarts + 1
        pause = min(max(_BACKOFF_SECONDS, 2 * pause), _BACKOFF_AT_MOST_SECONDS)
    return Life(restarts, start)


@dataclass
class Kubelet:
    """All pods, and how each image behaves."""

    pods: list[RunningPod] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)
    # Images whose pods all fail, and of which no more than so many of one ReplicaSet become ready.
    failing: set[str] = field(default_factory=set)
    at_most: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def copy(self) -> Kubelet:
        """The same pods, to be played on apart from these."""
        pods = [replace(pod) for pod in self.pods]
        return Kubelet(
            pods, dict(self.images), set(self.failing), dict(self.at_most), made=self.made
        )

    def of(self, owner_uid: str | None) -> list[RunningPod]:
        """The pods of a ReplicaSet, oldest first; None: those that nobody owns."""
        return [pod for pod in self.pods if pod.owner_uid == owner_uid]

    def ready(self, owner_uid: str) -> int:
        """How many of them are ready."""
        return sum(pod.ready_since is not None for pod in self.of(owner_uid))

    def available(self, owner_uid: str, min_ready_seconds: int, now: datetime) -> int:
        """How many of them have been ready for so long."""
        if not min_ready_seconds:
            return self.ready(owner_uid)
        since = now - timedelta(seconds=min_ready_seconds)
        pods = self.of(owner_uid)
        return sum(pod.ready_since is not None and pod.ready_since <= since for pod in pods)

    def make(self, replica_set: str, uid: str, pod_hash: str, image: str, now: datetime) -> None:
        """A new pod."""
        self.made += 1
        name = f"{replica_set}-"[:_PREFIX_LENGTH] + _suffix(self.made)
        self.pods.append(RunningPod(name, pod_hash, image, uid, now))

    def lower(self, owner_uid: str, size: int) -> None:
        """Takes pods away, those first that are not ready, then the youngest."""
        youngest_first = reversed(self.of(owner_uid))
        ranked = sorted(youngest_first, key=lambda pod: pod.ready_since is not None)
        doomed = {pod.name for pod in ranked[: max(0, len(ranked) - size)]}
        self.pods = [pod for pod in self.pods if pod.name not in doomed]

    def refresh(self, now: datetime) -> None:
        """What each container does by now."""
        up: dict[tuple[str | None, str], int] = {}
        for pod in self.pods:
            place = (pod.owner_uid, pod.image)
            limit = self.at_most.get(pod.image)
            ready = self._is_up(pod, now) and (limit is None or up.get(place, 0) < limit)
            if ready:
                up[place] = up.get(place, 0) + 1
                pod.ready_since = pod.ready_since or now
            else:
                pod.ready_since = None

    def next_change(self, now: datetime) -> datetime | None:
        """The next instant at which a container starts, ends or gets ready by itself."""
        instants = (at for pod in self.pods for at in self._instants(pod, now) if at > now)
        return min(instants, default=None)

    def seen(self, now: datetime) -> tuple[Pod, ...]:
        """The pods as the API server shows them."""
        return tuple(self._seen(pod, now) for pod in self.pods)

    def _seen(self, pod: RunningPod, now: datetime) -> Pod:
        image = self.images.get(pod.image, _WELL)
        if image.pull_error:
            waits = Container(
                "app", waiting_reason="ErrImagePull", waiting_message=image.pull_error
            )
            return Pod(pod.name, pod.pod_hash, containers=(waits,))
        lived = life((now - pod.born).total_seconds(), image.crash_after_seconds)
        ended = lived.restarts > 0 or lived.waits
        container = Container(
            "app",
            restarts=lived.restarts,
            waiting_reason="CrashLoopBackOff" if lived.waits else "",
            last_exit_code=1 if ended else None,
            last_exit_reason="Error" if ended else "",
        )
        ready = pod.ready_since is not None
        return Pod(pod.name, pod.pod_hash, "Running", ready=ready, containers=(container,))

    def _is_up(self, pod: RunningPod, now: datetime) -> bool:
        image = self.images.get(pod.image, _WELL)
        if pod.broken or pod.image in self.failing or image.never_ready or image.pull_error:
            return False
        age = (now - pod.born).total_seconds()
        if image.crash_after_seconds is None:
            pod.started = pod.started or age >= image.start_seconds
            return pod.started
        lived = life(age, image.crash_after_seconds)
        return not lived.waits and age - lived.since_seconds >= image.start_seconds

    def _instants(self, pod: RunningPod, now: datetime) -> Iterator[datetime]:
        image = self.images.get(pod.image, _WELL)
        yield pod.born + timedelta(seconds=image.start_seconds)
        crash = image.crash_after_seconds
        if crash is not None:
            lived = life((now - pod.born).total_seconds(), crash)
            started = pod.born + timedelta(seconds=lived.since_seconds)
            yield started + timedelta(seconds=image.start_seconds)
            yield started + timedelta(seconds=crash)


_WELL: Final = Image()


def _suffix(number: int) -> str:
    """Five characters, as the API server adds to generateName; here in order."""
    digits = []
    for _ in range(5):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
