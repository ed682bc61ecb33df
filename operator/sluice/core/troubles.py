"""What the canary's pods say by themselves, before any metric: certain failures, and mere waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sluice.core.objects import Container, Pod

# The kubelet's reasons that no amount of waiting mends.
_CERTAIN_WAITS: Final = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}
)
_PULL_WAITS: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
# How registries and container runtimes say that an image is not there or not for us; anything
# else about a pull may be the network, and is not a bad version yet.
_PULL_CERTAIN: Final = (
    "not found",
    "manifest unknown",
    "name unknown",
    "does not exist",
    "denied",
    "unauthorized",
    "forbidden",
    "authorization failed",
)
_MESSAGE_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Trouble:
    """A pod that does not come up or does not stay up; `certain`: the version is bad.

    `unplaced` counts the pods that fit on no node.
    """

    sentence: str
    certain: bool = False
    unplaced: int = 0


def crash_suspected(pods: Iterable[Pod]) -> bool:
    """Whether a container has restarted, so that the stable side must be looked at, too."""
    return any(container.restarts > 0 for _, container in _containers(pods))


def find(
    canary: Iterable[Pod], stable: Iterable[Pod], crash_restarts: int, *, compared: bool = True
) -> Trouble | None:
    """The gravest trouble of the canary's pods; None when they have none. `crash_restarts` of one
    container are certain.

    A container that crash-loops on the stable side as well says nothing about the new version, so
    a crash loop is only certain when both sides were `compared`.
    """
    canary = tuple(canary)
    looping = {c.name for _, c in _containers(stable) if c.waiting_reason == "CrashLoopBackOff"}
    waits = []
    for pod, container in _containers(canary):
        excused = not compared or container.name in looping
        if trouble := _container_trouble(pod, container, crash_restarts, excused=excused):
            if trouble.certain:
                return trouble
            waits.append(trouble)
    if said := unplaced(canary, "canary "):
        waits.append(Trouble(said, unplaced=count_unplaced(canary)))
    return waits[0] if waits else None


def count_unplaced(pods: Iterable[Pod]) -> int:
    """How many of the pods fit on no node."""
    return len(_unplaced(pods))


def _unplaced(pods: Iterable[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.unschedulable and not pod.deleting]


def unplaced(pods: Iterable[Pod], of_what: str = "") -> str:
    """How many pods fit on no node, and what the scheduler says of it; empty where all fit."""
    stuck = _unplaced(pods)
    if not stuck:
        return ""
    number, why = len(stuck), _cut(stuck[0].unschedulable)
    said = f"{number} {of_what}{'pod does' if number == 1 else 'pods do'} not fit on any node"
    return f"{said}: {why}"


def _container_trouble(
    pod: Pod, container: Container, crash_restarts: int, *, excused: bool
) -> Trouble | None:
    name = f'container "{container.name}" of pod {pod.name}'
    crashes = (
        f"{name} restarted {_times(container.restarts)} "
        f"(limit {crash_restarts}); last state: {_last_state(container)}"
    )
    if container.restarts >= crash_restarts and not excused:
        return Trouble(crashes, certain=True)
    reason, message = container.waiting_reason, _cut(container.waiting_message)
    said = f"{reason}: {message}" if message else reason
    if reason in _CERTAIN_WAITS:
        return Trouble(f"{name} cannot start: {said}", certain=True)
    if reason in _PULL_WAITS:
        text = container.waiting_message.lower()
        certain = any(sign in text for sign in _PULL_CERTAIN)
        return Trouble(f"{name} cannot pull its image: {said}", certain=certain)
    return Trouble(crashes) if container.restarts and reason == "CrashLoopBackOff" else None


def _containers(pods: Iterable[Pod]) -> Iterator[tuple[Pod, Container]]:
    return ((pod, container) for pod in pods if not pod.deleting for container in pod.containers)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _last_state(container: Container) -> str:
    reason = container.last_exit_reason or "terminated"
    if container.last_exit_code is None:
        return reason
    return f"{reason}, exit code {container.last_exit_code}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"
