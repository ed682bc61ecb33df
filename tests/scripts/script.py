"""A script: what is given, what happens, and what must be true in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.state import State
from scripts.steps import At, Rest, Step

REPLICAS = 3


@dataclass(frozen=True)
class Given:
    """v1 serves with so many pods, and a Rollout has adopted its Deployment (unless told not to).

    maxUnavailable is the API's default, 25 %: no pod of three, one of five.
    """

    steps: tuple[At, ...] = (At(50),)
    replicas: int = REPLICAS
    progress_deadline_seconds: int = 600
    revision_history_limit: int = 10
    adopted: bool = True
    # Of Rollout and Deployment.
    name: str = "web"


@dataclass(frozen=True)
class Then:
    """What the state must be in the end, said in words of the script alone.

    `template` is the stable version's where nothing else is said. `versions` names the ReplicaSets
    that there are, `kept` how many pods those of them shall have that are not stable. None says
    nothing of a field; `result` is the last command's, empty without one.
    """

    phase: str
    stable: str
    replicas: int = REPLICAS
    template: str | None = None
    rejected: tuple[str, ...] = ()
    versions: tuple[str, ...] | None = None
    kept: tuple[tuple[str, int], ...] = ()
    conditions: tuple[str, ...] | None = None
    result: str = ""
    rejections_told: int | None = None
    paused: bool = True
    labels: str = "all"

    def problems(self, state: State) -> list[str]:
        """What is not as it must be, as sentences; empty when all is."""
        others = [v for v in state.versions if (v.replicas or v.available) and v.owner == "anchor"]
        found = {
            "phase": (self.phase, state.phase),
            "stable": (self.stable, state.stable),
            "replicas": (self.replicas, state.replicas),
            "available": (self.replicas, state.available),
            "template": (self.stable if self.template is None else self.template, state.template),
            "rejected": (self.rejected, state.rejected),
            "versions": (self.versions, tuple(version.name for version in state.versions)),
            "pods beside the stable ones": (self.kept, tuple((v.name, v.replicas) for v in others)),
            "conditions": (self.conditions, state.conditions),
            "result": (self.result, state.result),
            "rejections told": (self.rejections_told, state.rejections_told),
            "paused": (self.paused, state.paused),
            "labels": (self.labels, state.labels),
        }
        return [
            f"{what} must be {wanted!r} and is {seen!r}"
            for what, (wanted, seen) in found.items()
            if wanted is not None and wanted != seen
        ]


@dataclass(frozen=True)
class Script:
    """One behaviour. Its last wait, for what `then` says, needs no step of its own.

    `never_below` is the fewest ready pods behind the Service that are right at any instant: N less
    maxUnavailable, or less where the user wants it so, and `because` then says how.
    `model_lacks` says what the model would need to play it: until then the cluster alone does.
    """

    name: str
    when: tuple[Step, ...]
    then: Then
    given: Given = Given()
    never_below: int = REPLICAS
    because: str = ""
    model_lacks: str = ""

    @property
    def slug(self) -> str:
        """The name as part of an object's name."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())

    def __iter__(self) -> Iterator[Step]:
        yield from self.when
        yield Rest(self.then.phase, self.then.stable)
