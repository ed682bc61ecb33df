"""The Rollout's status on the wire, and how the core's status becomes it.

A status that server-side apply meets with an undeclared field is refused for ever (HTTP 500), and
one that grows without limit ends in etcd's: so everything goes through the models, and texts are
cut until the whole is under `MAX_BYTES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError

from sluice.api.scaling_status import ScalingStatus
from sluice.api.wire import Time, Wire, said
from sluice.core.plan import Condition as CoreCondition
from sluice.core.plan import Decision as CoreDecision
from sluice.core.plan import Status

MAX_BYTES: Final = 32 * 1024
MAX_DECISIONS: Final = 10
MAX_REJECTED: Final = 10
MAX_IMAGES: Final = 20

Phase = Literal[
    "Healthy",
    "Progressing",
    "Paused",
    "Promoting",
    "RollingBack",
    "RolledBack",
    "Stalled",
    "Invalid",
]


def _shown(value: Any) -> Any:
    """Floats are shown as short text: the API conventions have no floats."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return format(value, ".6g") if is_number else value


Shown = Annotated[str, BeforeValidator(_shown)]


class Condition(Wire):
    """A condition as in metav1.Condition."""

    type: str = Field(max_length=316)
    status: Literal["True", "False", "Unknown"]
    observed_generation: int | None = Field(default=None, ge=0)
    last_transition_time: Time
    reason: str = Field(min_length=1, max_length=1024)
    message: str = Field(max_length=32768)


class Stable(Wire):
    """The stable version."""

    hash: str | None = Field(default=None, description="The pod-template-hash of its pods.")
    revision: int | None = Field(
        default=None, description="Its number in the Deployment's history."
    )
    replicas: int | None = Field(default=None, description="Wanted pods.")
    available: int | None = Field(default=None, description="Available pods.")


class MetricStatus(Wire):
    """The last reading of a metric."""

    name: str
    verdict: Literal["Pass", "Fail", "Unknown"] | None = said("What the last reading says.")
    canary: Shown | None = Field(
        default=None, description="The canary's value; of a comparison its share of bad requests."
    )
    stable: Shown | None = Field(
        default=None, description="The stable version's share of bad requests."
    )
    evidence: Shown | None = Field(
        default=None,
        description="How far a comparison has come to a Fail, from 0 to 1.",
    )
    message: str | None = said("The verdict in a sentence, with value and limit.")


class Release(Wire):
    """The release that is on its way."""

    id: str | None = Field(default=None, description="<revision>-<hash>-<times tried>.")
    hash: str | None = Field(
        default=None, description="The pod-template-hash of the canary's pods."
    )
    images: tuple[str, ...] | None = Field(
        default=None,
        strict=False,
        description="The images of the new version.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    step: int | None = Field(default=None, description="The step it is in, from 1.")
    steps: int | None = Field(default=None, description="How many steps it has.")
    progress: str | None = Field(default=None, description="Step of steps, such as 2/3.")
    weight: int | None = Field(default=None, description="What the pods really give, in percent.")
    canary_replicas: int | None = said("Wanted pods of the new version.")
    canary_available: int | None = said("Available pods of the new version.")
    started_at: Time | None = said("When the release began.")
    step_started_at: Time | None = said("When the step's clock was started.")
    metrics: tuple[MetricStatus, ...] | None = Field(
        default=None, strict=False, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )


class Rejected(Wire):
    """A template that was rolled back and is not released again."""

    hash: str
    at: Time | None = said("When it was rolled back.")
    reason: str | None = said("Why it was rolled back.")


class LastCommand(Wire):
    """The last command and what came of it."""

    id: str | None = said("The Rollout's uid and resourceVersion when it was accepted.")
    verb: str | None = said("The command as it was written.")
    result: str | None = said("What came of it.")
    at: Time | None = said("When it was accepted.")


class Decision(Wire):
    """What was done and why."""

    at: Time
    what: str
    why: str


class RolloutStatus(Wire):
    """What Sluice shows; nothing is decided from it."""

    observed_generation: int | None = Field(
        default=None, description="The generation this speaks of."
    )
    phase: Phase | None = said("Where the release is, in one word.")
    message: str | None = Field(default=None, description="One sentence: what happens and why.")
    ready: int | None = Field(default=None, description="Available pods of both versions.")
    desired: int | None = Field(default=None, description="Pods that the Deployment asks for.")
    conditions: tuple[Condition, ...] | None = Field(
        default=None,
        strict=False,
        description="Ready, Reconciling and Stalled as kstatus reads them, and others where they "
        "apply.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )
    stable: Stable | None = None
    release: Release | None = None
    scaling: ScalingStatus | None = None
    rejected: tuple[Rejected, ...] | None = Field(
        default=None,
        strict=False,
        description="The last 10 templates that were rolled back, newest last.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    last_command: LastCommand | None = None
    decisions: tuple[Decision, ...] | None = Field(
        default=None,
        strict=False,
        description="The last 10 decisions, newest last.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


def rfc3339(at: datetime) -> str:
    """The time in UTC, to the second, as the API server writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_wire(
    status: Status,
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: datetime,
    decision: CoreDecision | None = None,
) -> dict[str, Any]:
    """The status as it is written, under 32 KiB.

    `previous` is the stored status: a condition that still has its status keeps its
    lastTransitionTime, and `decision` is added to the decisions kept there unless it repeats the
    newest. Called again with its result as `previous` it settles, so that nothing is written.
    """
    raw = {
        "observedGeneration": generation,
        "phase": status.phase,
        "message": status.message,
        "conditions": _conditions(status.conditions, previous, generation, now),
        "stable": status.stable,
        "release": _release(status.release),
        "scaling": _scaling(status.scaling),
        "rejected": list(status.rejected)[-MAX_REJECTED:] or None,
        "lastCommand": status.last_command,
        "decisions": _decisions(previous, decision, now) or None,
        **_pods(status),
    }
    model = RolloutStatus.model_validate(_plain(raw))
    return _within(MAX_BYTES, model.model_dump(by_alias=True, exclude_none=True, mode="json"))


def _plain(value: Any) -> Any:
    """Mappings as dicts and enums as their values, which is what the strict models take."""
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _pods(status: Status) -> dict[str, int]:
    """Both sides' available pods, and how many the Deployment asks for."""
    if status.stable is None:
        return {}
    canary = (status.release or {}).get("canaryAvailable") or 0
    ready = (status.stable.get("available") or 0) + canary
    return {"ready": ready, "desired": status.desired or 0}


def _release(release: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if release is None:
        return None
    step, steps = release.get("step"), release.get("steps")
    progress = f"{step}/{steps}" if step and steps else None
    images = list(release.get("images") or ())[:MAX_IMAGES]
    return {**release, "images": images or None, "progress": progress}


def _scaling(scaling: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What scaling shows. Mostly it is the stored one again, in which anything may stand."""
    if scaling is None:
        return None
    plain: dict[str, Any] = _plain(scaling)
    try:
        ScalingStatus.model_validate(plain)
    except ValidationError:
        return None
    return plain


def _conditions(
    conditions: Sequence[CoreCondition],
    previous: Mapping[str, Any],
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    before = {item.get("type"): item for item in _items(previous, "conditions")}
    wire = []
    for condition in conditions:
        status = "True" if condition.status else "False"
        old = before.get(condition.type, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        wire.append(
            {
                "type": condition.type,
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": since if isinstance(since, str) else rfc3339(now),
                "reason": condition.reason,
                "message": condition.message,
            }
        )
    return wire


def _decisions(
    previous: Mapping[str, Any], decision: CoreDecision | None, now: datetime
) -> list[dict[str, str]]:
    fields = ("at", "what", "why")
    kept = [
        {name: item[name] for name in fields}
        for item in _items(previous, "decisions")
        if all(isinstance(item.get(name), str) for name in fields)
    ]
    if decision is None:
        return kept[-MAX_DECISIONS:]
    new = _short_texts({"at": rfc3339(now), "what": decision.what, "why": decision.why}, 1)
    repeated = kept and all(_is_text(kept[-1][name], new[name]) for name in ("what", "why"))
    return (kept if repeated else [*kept, new])[-MAX_DECISIONS:]


def _is_text(stored: str, text: str) -> bool:
    """Whether `stored` is the text, perhaps cut: a decision must not repeat because it was long."""
    return stored == text or (stored.endswith("...") and text.startswith(stored[:-3]))


def _items(status: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The items of a list in a stored status; whatever else stands there is no list."""
    value = status.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


# The longest text by field name, in characters. What else there is comes from a short list, or
# names an object, and is never cut.
_LONGEST: Final = {
    "message": 512,
    "why": 384,
    "reason": 384,
    "result": 384,
    "what": 256,
    "images": 256,
    "canary": 64,
    "stable": 64,
    "evidence": 64,
    "detail": 128,
    "value": 64,
}


def _within(limit: int, wire: dict[str, Any]) -> dict[str, Any]:
    """The status with texts cut as little as the limit, in bytes of JSON, allows."""
    for divisor in (1, 2, 4, 8, 16):
        wire = _short_texts(wire, divisor)
        if len(json.dumps(wire, ensure_ascii=False).encode()) < limit:
            break
    return wire


def _short_texts(value: Any, divisor: int, name: str = "") -> Any:
    match value:
        case dict():
            return {key: _short_texts(item, divisor, key) for key, item in value.items()}
        case list():
            return [_short_texts(item, divisor, name) for item in value]
        case str() if name in _LONGEST:
            return _one_line(value, _LONGEST[name] // divisor)
        case _:
            return value


def _one_line(text: str, length: int) -> str:
    """The text without line breaks, cut to the length; a huge one is cut before it is read."""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 3]}..."
