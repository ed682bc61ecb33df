"""What happens in a script, and what is awaited: small frozen steps, each for both drivers.

A step knows which method of a `Stage` plays it, and nothing of how that is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class At:
    """One step of a release: the canary's weight, for how long, and whether it wants approval."""

    weight: int
    seconds: int = 0
    approval: bool = False


class Stage(Protocol):
    """A driver: the model, or the real cluster."""

    def deploy(self, change: Deploy) -> None: ...
    def edit_deployment(self, change: Edit) -> None: ...
    def edit_rollout(self, change: EditRollout) -> None: ...
    def command(self, text: str) -> None: ...
    def break_version(self, version: str) -> None: ...
    def heal(self) -> None: ...
    def unlabel_deployment(self) -> None: ...
    def unlabel_replica_set(self, version: str) -> None: ...
    def delete_replica_set(self, version: str) -> None: ...
    def delete_deployment(self) -> None: ...
    def create_deployment(self, version: str, labels: Mapping[str, str]) -> None: ...
    def edit_selector(self) -> None: ...
    def create_rollout(self) -> None: ...
    def create_rival(self) -> None: ...
    def delete_rollout(self) -> None: ...
    def until(self, wanted: Until) -> None: ...
    def until_rival_says(self, condition: str) -> None: ...
    def until_answered(self, result: str) -> None: ...
    def until_shut(self) -> None: ...
    def until_pods(self, count: int) -> None: ...
    def until_rollout_gone(self) -> None: ...
    def rest(self, wanted: Rest) -> None: ...


class Step(Protocol):
    """One step of a script."""

    def play(self, stage: Stage) -> None: ...


# --- what a user does


@dataclass(frozen=True)
class Deploy:
    """This version comes into the Deployment; what else is given, in the same edit."""

    version: str
    replicas: int | None = None
    paused: bool | None = None
    min_ready_seconds: int | None = None
    # Resource limits of the container.
    limits: Mapping[str, str] = field(default_factory=dict)

    def play(self, stage: Stage) -> None:
        stage.deploy(self)


@dataclass(frozen=True)
class Edit:
    """An edit of the Deployment that leaves its template as it is; None changes nothing."""

    replicas: int | None = None
    paused: bool | None = None
    strategy: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def play(self, stage: Stage) -> None:
        stage.edit_deployment(self)


@dataclass(frozen=True)
class EditRollout:
    """An edit of the Rollout's spec; None changes nothing."""

    steps: tuple[At, ...] | None = None
    paused: bool | None = None
    progress_deadline_seconds: int | None = None

    def play(self, stage: Stage) -> None:
        stage.edit_rollout(self)


@dataclass(frozen=True)
class Command:
    """The command annotation; `{release}` stands for the id of the release under way."""

    text: str

    def play(self, stage: Stage) -> None:
        stage.command(self.text)


@dataclass(frozen=True)
class Break:
    """From now on no new pod of this version becomes ready."""

    version: str

    def play(self, stage: Stage) -> None:
        stage.break_version(self.version)


@dataclass(frozen=True)
class Heal:
    """Every pod of every version becomes ready."""

    def play(self, stage: Stage) -> None:
        stage.heal()


@dataclass(frozen=True)
class UnlabelDeployment:
    """Somebody takes our label off the Deployment."""

    def play(self, stage: Stage) -> None:
        stage.unlabel_deployment()


@dataclass(frozen=True)
class UnlabelReplicaSet:
    """Somebody takes our label off the ReplicaSet of this version."""

    version: str

    def play(self, stage: Stage) -> None:
        stage.unlabel_replica_set(self.version)


@dataclass(frozen=True)
class DeleteReplicaSet:
    """Somebody deletes the ReplicaSet of this version, with its pods."""

    version: str

    def play(self, stage: Stage) -> None:
        stage.delete_replica_set(self.version)


@dataclass(frozen=True)
class DeleteDeployment:
    """The Deployment is deleted, with all that it owns."""

    def play(self, stage: Stage) -> None:
        stage.delete_deployment()


@dataclass(frozen=True)
class CreateDeployment:
    """The Deployment is made again, under the same name; `labels` come into selector and pods."""

    version: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def play(self, stage: Stage) -> None:
        stage.create_deployment(self.version, self.labels)


@dataclass(frozen=True)
class EditSelector:
    """Somebody edits the Deployment's selector; the API server must refuse it."""

    def play(self, stage: Stage) -> None:
        stage.edit_selector()


@dataclass(frozen=True)
class Adopt:
    """The Rollout is made, where the script begins without one."""

    def play(self, stage: Stage) -> None:
        stage.create_rollout()


@dataclass(frozen=True)
class CreateRival:
    """A second Rollout for the same Deployment; it is the script's when the first is gone."""

    def play(self, stage: Stage) -> None:
        stage.create_rival()


@dataclass(frozen=True)
class DeleteRollout:
    """The Rollout is deleted; its finalizer may take its time."""

    def play(self, stage: Stage) -> None:
        stage.delete_rollout()


# --- what is awaited


@dataclass(frozen=True)
class Until:
    """The status shows this phase, at this step (from 1) of a release of this version."""

    phase: str
    step: int | None = None
    version: str | None = None

    def play(self, stage: Stage) -> None:
        stage.until(self)


@dataclass(frozen=True)
class UntilRivalSays:
    """The second Rollout has this condition."""

    condition: str

    def play(self, stage: Stage) -> None:
        stage.until_rival_says(self.condition)


@dataclass(frozen=True)
class UntilAnswered:
    """The last command has a result of this class (`State.result`)."""

    result: str

    def play(self, stage: Stage) -> None:
        stage.until_answered(self.result)


@dataclass(frozen=True)
class UntilShut:
    """The Deployment is paused."""

    def play(self, stage: Stage) -> None:
        stage.until_shut()


@dataclass(frozen=True)
class UntilPods:
    """So many pods are ready, of all versions."""

    count: int

    def play(self, stage: Stage) -> None:
        stage.until_pods(self.count)


@dataclass(frozen=True)
class UntilRolloutGone:
    """The Rollout is gone, its finalizer done."""

    def play(self, stage: Stage) -> None:
        stage.until_rollout_gone()


@dataclass(frozen=True)
class Rest:
    """Nothing moves any more: this phase, this version owned by the Deployment; and so it stays
    when the operator looks once more.
    """

    phase: str
    stable: str

    def play(self, stage: Stage) -> None:
        stage.rest(self)
