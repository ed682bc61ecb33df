"""Where a script has come to: one value, the same for the model and for the real cluster.

Either driver hands in the few facts that it sees; everything that has to be understood of them (who
owns what, which version is stable, what came of a command) is worked out here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

# Conditions that always stand in a status say no more than the phase does.
_ALWAYS_THERE: Final = frozenset({"Ready", "Reconciling", "Stalled"})
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
RESTARTED: Final = "+restarted"


def named(version: str, template: Mapping[str, Any]) -> str:
    """The version with the mark of a restart where its template has one: that is another one."""
    annotations = template.get("metadata", {}).get("annotations") or {}
    return version + RESTARTED if RESTARTED_AT in annotations else version


@dataclass(frozen=True)
class SeenReplicaSet:
    """A ReplicaSet as a driver sees it; `labelled`: whether it carries the Rollout's label."""

    version: str
    role: str
    owner_uid: str | None
    replicas: int
    available: int
    min_ready_seconds: int
    rejected: bool
    labelled: bool


@dataclass(frozen=True)
class SeenDeployment:
    """The Deployment as a driver sees it."""

    uid: str
    replicas: int
    paused: bool
    template: str
    labelled: bool


@dataclass(frozen=True)
class Seen:
    """All that a driver sees. `status` is the Rollout's in wire form, empty when it is gone;
    `rejected` are the versions that the records of templates call so; `rejections_told` counts the
    Events that tell of one.
    """

    status: Mapping[str, Any]
    deployment: SeenDeployment | None
    replica_sets: tuple[SeenReplicaSet, ...]
    anchor_uid: str | None
    rejected: frozenset[str]
    rejections_told: int


@dataclass(frozen=True, order=True)
class Version:
    """One ReplicaSet: `owner` is deployment, anchor, none or other."""

    name: str
    role: str
    owner: str
    replicas: int
    available: int
    min_ready_seconds: int


@dataclass(frozen=True)
class State:
    """Everything that must be the same on both sides.

    `stable` is the version of the one ReplicaSet that the Deployment owns, empty where it owns none
    or several; `conditions` are those that hold beside kstatus' three; `result` is the class of the
    last command's result; `labels` tells whether all, some or none of the objects are labelled.
    """

    phase: str
    conditions: tuple[str, ...]
    stable: str
    replicas: int
    available: int
    versions: tuple[Version, ...]
    rejected: tuple[str, ...]
    template: str
    paused: bool
    labels: str
    result: str
    rejections_told: int

    def unlike(self, other: State) -> str:
        """The fields in which the other differs, for a person; empty when they are equal."""
        return "\n".join(
            f"  {field.name}: {getattr(self, field.name)!r} / {getattr(other, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        )


def state_of(seen: Seen) -> State:
    """The normalised state of what was seen."""
    deployment = seen.deployment
    uid = deployment.uid if deployment else None
    owned = [rs for rs in seen.replica_sets if uid is not None and rs.owner_uid == uid]
    rejected = seen.rejected | {rs.version for rs in seen.replica_sets if rs.rejected}
    marks = [rs.labelled for rs in seen.replica_sets]
    marks += [deployment.labelled] if deployment else []
    return State(
        phase=str(seen.status.get("phase", "")),
        conditions=_conditions(seen.status),
        stable=owned[0].version if len(owned) == 1 else "",
        replicas=deployment.replicas if deployment else 0,
        available=sum(rs.available for rs in owned),
        versions=tuple(sorted(_version(rs, uid, seen.anchor_uid) for rs in seen.replica_sets)),
        rejected=tuple(sorted(rejected)),
        template=deployment.template if deployment else "",
        paused=deployment is not None and deployment.paused,
        labels=_how_many(marks),
        result=result_of(seen.status),
        rejections_told=seen.rejections_told,
    )


def result_of(status: Mapping[str, Any]) -> str:
    """The class of the last command's result: done, refused, given up or under way; or empty."""
    last = status.get("lastCommand")
    if not last:
        return ""
    text = str(last["result"])
    for words, kind in (("nothing done", "refused"), ("given up", "given up")):
        if text.startswith(words):
            return kind
    return text if text == "under way" else "done"


def _conditions(status: Mapping[str, Any]) -> tuple[str, ...]:
    holding = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
    return tuple(sorted(holding - _ALWAYS_THERE))


def _version(rs: SeenReplicaSet, deployment_uid: str | None, anchor_uid: str | None) -> Version:
    owners = {None: "none", anchor_uid: "anchor", deployment_uid: "deployment"}
    owner = "none" if rs.owner_uid is None else owners.get(rs.owner_uid, "other")
    return Version(rs.version, rs.role, owner, rs.replicas, rs.available, rs.min_ready_seconds)


def _how_many(marks: Iterable[bool]) -> str:
    found = set(marks)
    return "some" if len(found) == 2 else "all" if True in found else "none"
