"""What each judge says in each phase: the table that tests assert and docs/health.md shows."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

# What kubectl does: `wait --for=condition=Ready` and `rollout status` end well, or go on waiting.
ENDS: Final = "ends"
WAITS: Final = "waits"
# Where there is no Deployment.
NONE: Final = "—"


@dataclass(frozen=True)
class Verdicts:
    """What is said of the Rollout, and of its Deployment."""

    kstatus: str
    kubectl_wait: str
    argocd: str
    deployment_kstatus: str
    rollout_status: str
    deployment_argocd: str


@dataclass(frozen=True)
class Row:
    """A phase, and what distinguishes it where the phase alone does not say it all."""

    phase: str
    when: str
    verdicts: Verdicts


_WAITING: Final = ("InProgress", WAITS, "Progressing")
_DONE: Final = ("Current", ENDS, "Healthy")
_FAILED: Final = ("Failed", WAITS, "Degraded")
_PAUSED: Final = ("InProgress", WAITS, "Suspended")

HEALTHY: Final = Row("Healthy", "", Verdicts(*_DONE, *_DONE))
PODS_AWAY: Final = Row(
    "Healthy", "more pods are away than maxUnavailable allows", Verdicts(*_WAITING, *_WAITING)
)
ADOPTING: Final = Row(
    "Progressing", "the Deployment finishes a rollout of its own", Verdicts(*_WAITING, *_WAITING)
)
PROGRESSING: Final = Row("Progressing", "the canary grows", Verdicts(*_WAITING, *_WAITING))
STEPPING: Final = Row("Progressing", "a step runs", Verdicts(*_WAITING, *_WAITING))
PAUSED: Final = Row("Paused", "", Verdicts(*_PAUSED, *_WAITING))
PAUSED_EMPTY: Final = Row("Paused", "scaled to 0, with a new template", Verdicts(*_PAUSED, *_DONE))
PROMOTING: Final = Row("Promoting", "", Verdicts(*_WAITING, *_WAITING))
CANARY_LEAVES: Final = Row("RollingBack", "the canary leaves", Verdicts(*_WAITING, *_WAITING))
RETURNING: Final = Row("RollingBack", "an earlier version comes back", Verdicts(*_WAITING, *_DONE))
ROLLED_BACK: Final = Row("RolledBack", "", Verdicts(*_FAILED, *_WAITING))
STALLED: Final = Row("Stalled", "", Verdicts(*_FAILED, *_DONE))
MISSING: Final = Row("Stalled", "no Deployment", Verdicts(*_FAILED, "NotFound", NONE, NONE))
INVALID: Final = Row("Invalid", "", Verdicts(*_FAILED, *_DONE))

ROWS: Final = (
    HEALTHY,
    PODS_AWAY,
    ADOPTING,
    PROGRESSING,
    STEPPING,
    PAUSED,
    PAUSED_EMPTY,
    PROMOTING,
    CANARY_LEAVES,
    RETURNING,
    ROLLED_BACK,
    STALLED,
    MISSING,
    INVALID,
)
_HEADS: Final = (
    "Phase",
    "When",
    "kstatus, Flux",
    "`kubectl wait`",
    "Argo CD",
    "Deployment: kstatus, Flux",
    "`kubectl rollout status`",
    "Argo CD",
)


def of_phase(phase: str) -> set[tuple[str, str, str]]:
    """What may be said of a Rollout in the phase: by kstatus, `kubectl wait` and Argo CD."""
    return {
        (row.verdicts.kstatus, row.verdicts.kubectl_wait, row.verdicts.argocd)
        for row in ROWS
        if row.phase == phase
    }


def markdown() -> str:
    """The table as the documentation shows it."""
    lines = [_HEADS, tuple("---" for _ in _HEADS)]
    lines += [(f"**{row.phase}**", row.when, *astuple(row.verdicts)) for row in ROWS]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
