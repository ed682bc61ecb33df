"""What is known about a Rollout, read for people from the objects around it.

Total functions: whatever is missing or of another type reads as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sluice.core import keys, times
from sluice.core.commands import accepted

Json = Mapping[str, Any]

ROLES: Final = ("stable", "canary", "returning", "retired", "rejected")


def part(raw: Json | None, *path: str) -> dict[str, Any]:
    """The object at the path; empty where there is none."""
    value: Any = raw or {}
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


def parts(raw: Json | None, *path: str) -> list[dict[str, Any]]:
    """The objects in the list at the path."""
    *above, last = path
    value = part(raw, *above).get(last)
    return [dict(item) for item in value if isinstance(item, Mapping)] if value else []


def number(raw: Json, key: str) -> int:
    """The whole number in that field, else 0."""
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def name_of(raw: Json) -> str:
    """The object's name."""
    return str(part(raw, "metadata").get("name", ""))


def namespace_of(raw: Json) -> str:
    """The object's namespace."""
    return str(part(raw, "metadata").get("namespace", ""))


def annotations_of(raw: Json | None) -> dict[str, Any]:
    """The object's annotations."""
    return part(raw, "metadata", "annotations")


def created(raw: Json) -> datetime | None:
    """When the object was made."""
    return times.parse(part(raw, "metadata").get("creationTimestamp"))


def images_of(template_holder: Json) -> tuple[str, ...]:
    """The images of a template's containers."""
    found = parts(template_holder, "spec", "template", "spec", "containers")
    return tuple(str(container.get("image", "")) for container in found)


def short_image(image: str) -> str:
    """The image without registry and folders, and with a digest cut to what tells it apart."""
    name = image.rsplit("/", 1)[-1]
    before, digest, sha = name.partition("@sha256:")
    return f"{before}@{sha[:12]}" if digest else name


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `state` is what kubectl's STATUS says, `wrong` why it does not serve."""

    name: str
    state: str
    ready: bool
    restarts: int
    born: datetime | None
    wrong: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """A ReplicaSet of the Rollout, with its pods where they were read."""

    name: str
    role: str
    revision: int
    pod_hash: str
    wanted: int
    present: int
    available: int
    images: tuple[str, ...]
    born: datetime | None
    annotations: Json = field(default_factory=dict)
    uid: str = ""
    pods: tuple[Pod, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether it neither wants nor has a pod."""
        return not (self.wanted or self.present)

    def at(self, key: str) -> datetime | None:
        """The time in that annotation."""
        return times.parse(self.annotations.get(key))


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's last reading. `limit` is what it is held against, in words; `evidence` how far a
    comparison has come to a Fail.
    """

    name: str
    value: str
    stable: str
    limit: str
    verdict: str
    message: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A Rollout with what belongs to it. `notes` say what could not be read."""

    rollout: Json
    sides: tuple[Side, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The Rollout's name."""
        return name_of(self.rollout)

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return namespace_of(self.rollout)

    @property
    def status(self) -> dict[str, Any]:
        """Its status; empty before the operator has met it."""
        return part(self.rollout, "status")

    @property
    def phase(self) -> str:
        """Its phase; empty before the operator has met it."""
        return str(self.status.get("phase") or "")

    @property
    def message(self) -> str:
        """The operator's sentence."""
        return str(self.status.get("message") or "")

    @property
    def reason(self) -> str:
        """Why it is in this phase, as a word: the event that decided."""
        return str(condition(self.rollout, "Reconciling").get("reason") or "")

    @property
    def release(self) -> dict[str, Any]:
        """The release under way; empty when there is none."""
        return part(self.status, "release")

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps of its spec."""
        return parts(self.rollout, "spec", "canary", "steps")

    @property
    def target(self) -> str:
        """The name of its Deployment."""
        return str(part(self.rollout, "spec", "targetRef").get("name", ""))

    @property
    def rising(self) -> Side | None:
        """The side that grows: a canary, an earlier version on its way back, or the stable one in
        place of a version that was tried.
        """
        roles = ("canary", "returning")
        growing = (side for side in self.sides if side.role in roles)
        again = (s for s in self.sides if s.role == "stable" and s.at(keys.GROW_STARTED))
        return next(growing, None) or next(again, None)

    @property
    def unseen(self) -> bool:
        """Whether the operator has not yet seen the last change of the spec."""
        generation = number(part(self.rollout, "metadata"), "generation")
        return number(self.status, "observedGeneration") < generation

    @property
    def unheard(self) -> bool:
        """Whether the status was written before the last command was taken up, or carried out."""
        annotations = part(self.rollout, "metadata", "annotations")
        if keys.COMMAND in annotations:
            return True
        last, shown = accepted(annotations), part(self.status, "lastCommand")
        if last is None:
            return False
        told = shown.get("id") == last.id
        return not told or (last.done and shown.get("result") != last.result)

    @property
    def deleting(self) -> bool:
        """Whether the Rollout is being deleted."""
        return bool(part(self.rollout, "metadata").get("deletionTimestamp"))


def condition(rollout: Json, kind: str) -> dict[str, Any]:
    """The condition of that type; empty when there is none."""
    found = parts(rollout, "status", "conditions")
    return next((item for item in found if item.get("type") == kind), {})


def side(raw: Json, pods: Iterable[Pod] = ()) -> Side:
    """A ReplicaSet of the Rollout."""
    annotations = annotations_of(raw)
    spec, status = part(raw, "spec"), part(raw, "status")
    revision = str(annotations.get(keys.REVISION, ""))
    return Side(
        name=name_of(raw),
        role=str(annotations.get(keys.ROLE, "")),
        revision=int(revision) if revision.isdigit() else 0,
        pod_hash=str(part(raw, "metadata", "labels").get(keys.HASH_LABEL, "")),
        wanted=spec.get("replicas", 1),
        present=number(status, "replicas"),
        available=number(status, "availableReplicas"),
        images=images_of(raw),
        born=created(raw),
        annotations=annotations,
        uid=str(part(raw, "metadata").get("uid", "")),
        pods=tuple(pods),
    )


def sides(replica_sets: Iterable[Json], pods: Iterable[Json] = ()) -> tuple[Side, ...]:
    """The ReplicaSets with their pods: stable first, then canary, then the others, newest first."""
    by_owner: dict[str, list[Pod]] = {}
    for raw in sorted(pods, key=name_of):
        owner = next((o for o in parts(raw, "metadata", "ownerReferences")), {})
        by_owner.setdefault(str(owner.get("uid", "")), []).append(pod(raw))
    found = []
    for raw in replica_sets:
        uid = str(part(raw, "metadata").get("uid", ""))
        found.append(side(raw, by_owner.get(uid, ())))

    def rank(item: Side) -> tuple[int, int]:
        place = ROLES.index(item.role) if item.role in ROLES else len(ROLES)
        return place, -item.revision

    return tuple(sorted(found, key=rank))


def pod(raw: Json) -> Pod:
    """A pod, with the gravest thing that is wrong with it."""
    status = part(raw, "status")
    containers = [
        *parts(status, "initContainerStatuses"),
        *parts(status, "containerStatuses"),
    ]
    conditions = {str(c.get("type")): c for c in parts(status, "conditions")}
    ready = conditions.get("Ready", {}).get("status") == "True"
    deleting = bool(part(raw, "metadata").get("deletionTimestamp"))
    state, wrong = _state(status, containers, conditions, ready=ready)
    return Pod(
        name=name_of(raw),
        state="Terminating" if deleting else state,
        ready=ready and not deleting,
        restarts=sum(number(c, "restartCount") for c in containers),
        born=created(raw),
        wrong="" if deleting else wrong,
        node=str(part(raw, "spec").get("nodeName") or ""),
    )


def _state(
    status: Json, containers: list[dict[str, Any]], conditions: Json, *, ready: bool
) -> tuple[str, str]:
    """The state in a word, and what is wrong in a sentence."""
    for container in containers:
        waiting = part(container, "state", "waiting")
        reason = str(waiting.get("reason") or "")
        if reason and reason not in ("PodInitializing", "ContainerCreating"):
            return reason, _crash(container) or _said(container, waiting)
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        return "Unschedulable", " ".join(str(scheduled.get("message", "")).split())
    for container in containers:
        ended = part(container, "state", "terminated")
        if ended and ended.get("exitCode") != 0:
            return str(ended.get("reason") or "Error"), _crash(container)
    phase = str(status.get("phase") or "Pending")
    if phase == "Pending":
        return ("ContainerCreating" if containers else "Pending"), ""
    if ready or phase != "Running":
        return phase, str(status.get("message") or "")
    restarted = [c for c in containers if number(c, "restartCount")]
    return phase, _crash(restarted[0]) if restarted else _unready(containers)


def _crash(container: Json) -> str:
    """How often and with what a container ended; empty for one that never did."""
    ended = part(container, "lastState", "terminated") or part(container, "state", "terminated")
    if not ended:
        return ""
    code, reason = ended.get("exitCode"), ended.get("reason") or "ended"
    count = number(container, "restartCount")
    times_text = "once" if count == 1 else f"{count} times"
    began = f"restarted {times_text}; " if count else ""
    return f'container "{container.get("name")}" {began}last state: {reason}, exit code {code}'


def _said(container: Json, waiting: Json) -> str:
    message = " ".join(str(waiting.get("message") or waiting.get("reason")).split())
    return f'container "{container.get("name")}" cannot start: {message}'


def _unready(containers: list[dict[str, Any]]) -> str:
    names = ", ".join(f'"{c.get("name")}"' for c in containers if not c.get("ready"))
    return f"not ready: container {names} runs, its readiness probe does not succeed yet"
