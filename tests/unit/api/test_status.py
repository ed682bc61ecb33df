from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.crd import structural
from sluice.api.scaling_status import ScalingStatus
from sluice.api.status import MAX_BYTES, RolloutStatus, rfc3339, to_wire
from sluice.core.plan import Condition, Decision, Status
from sluice.core.scaling.kept import (
    Cause,
    Explanation,
    Memory,
    Proposal,
    Recommendation,
    Said,
    Scaled,
    ScaleEvent,
    Step,
)
from sluice.core.scaling.policy import TargetKind
from sluice.core.scaling.remembering import remember
from sluice.core.scaling.shown import shown

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
AT = "2026-11-24T11:00:00Z"

SCALING: dict[str, Any] = {
    "current": 8,
    "desired": 10,
    "decision": {
        "at": AT,
        "cause": "Policy",
        "message": "10: rps is 600, 50 a pod asks for 12; at most 2 pods in 60s",
        "active": "ValidMetricFound",
        "limited": "ScaleUpLimit",
        "floor": 2,
        "ceiling": 40,
        "metrics": [
            {
                "name": "rps",
                "kind": "averageValue",
                "target": "50",
                "value": "600",
                "proposal": 12,
                "ratio": "1.5",
                "withinTolerance": False,
                "unknown": "Empty",
                "detail": "the query gave no series",
            }
        ],
        "largest": 12,
        "by": "rps",
        "steps": [{"cause": "Policy", "from": 12, "to": 10, "why": "at most 2 pods in 60s"}],
    },
    "nextChange": AT,
    "changes": [{"at": AT, "from": 8, "to": 10, "message": "10: rps is 600"}],
    "recommendations": [{"at": AT, "replicas": 12}],
    "events": [{"at": AT, "change": -2}],
    "askedAt": AT,
    "unknownSince": AT,
    "unknownUntil": AT,
    "unansweredSince": AT,
    "unansweredAt": AT,
    "probe": 3,
}
FULL = Status(
    phase="Progressing",
    message="step 2 of 3 at weight 25",
    conditions=(
        Condition("Ready", status=False, reason="Releasing", message="a release is on its way"),
        Condition("Reconciling", status=True, reason="Releasing", message="step 2 of 3"),
    ),
    stable={"hash": "5c9f", "revision": 3, "replicas": 8, "available": 8},
    desired=8,
    release={
        "id": "4-abcde-1",
        "hash": "abcdefgh",
        "images": ["app:2"],
        "step": 2,
        "steps": 3,
        "weight": 25,
        "canaryReplicas": 3,
        "canaryAvailable": 2,
        "startedAt": AT,
        "stepStartedAt": AT,
        "metrics": [
            {
                "name": "errors",
                "verdict": "Pass",
                "canary": 0.0123456789,
                "stable": 1,
                "evidence": "2.5",
                "message": "at most 0.05",
            }
        ],
    },
    scaling=SCALING,
    rejected=({"hash": "x", "at": AT, "reason": "errors 0.2 > 0.05"},),
    last_command={"id": "uid/7", "verb": "promote", "result": "done", "at": AT},
)
DECISION = Decision("started release 4-abcde-1", "the template changed")


def wire(
    status: Status = FULL,
    *,
    previous: dict[str, Any] | None = None,
    now: datetime = NOW,
    decision: Decision | None = DECISION,
) -> dict[str, Any]:
    return to_wire(status, previous=previous or {}, generation=7, now=now, decision=decision)


def test_every_declared_field_can_be_filled() -> None:
    """With every field there, the object's paths are the schema's: nothing is pruned or missed."""
    assert set(paths_of(wire())) == set(
        paths_of_schema(structural(RolloutStatus.model_json_schema()))
    )


def paths_of(value: Any, path: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, child in value.items():
                yield f"{path}.{key}"
                yield from paths_of(child, f"{path}.{key}")
        case list():
            for child in value:
                yield from paths_of(child, f"{path}[]")
        case _:
            pass


def paths_of_schema(node: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from paths_of_schema(child, f"{path}.{name}")
    if "items" in node:
        yield from paths_of_schema(node["items"], f"{path}[]")


def test_what_is_unknown_is_left_out() -> None:
    status = Status("Healthy", "the template is released", (), release={"id": None, "step": 1})

    assert to_wire(status, previous={}, generation=1, now=NOW) == {
        "observedGeneration": 1,
        "phase": "Healthy",
        "message": "the template is released",
        "conditions": [],
        "release": {"step": 1},
    }


def test_undeclared_fields_never_reach_the_api_server() -> None:
    """Server-side apply answers them with 500, for ever."""
    status = Status("Healthy", "", (), stable={"hash": "x", "colour": "blue"})

    assert wire(status)["stable"] == {"hash": "x"}


def test_enums_and_mappings_of_the_core_become_plain_json() -> None:
    class Word(StrEnum):
        PHASE = "Healthy"
        VERDICT = "Fail"

    release = MappingProxyType({"metrics": ({"name": "errors", "verdict": Word.VERDICT},)})
    status = wire(Status(Word.PHASE, "", (), release=release))

    assert json.loads(json.dumps(status)) == status
    assert status["release"] == {"metrics": [{"name": "errors", "verdict": "Fail"}]}


def everything_decided() -> Scaled:
    """A decision with no field empty."""
    known = Proposal("rps", TargetKind.AVERAGE_VALUE, 50_000, 600.5, replicas=12, ratio=1.5)
    near = replace(known, name="near", kind=TargetKind.VALUE, within_tolerance=True)
    unknown = Proposal("queue", TargetKind.VALUE, 700, unknown="Empty", detail="no series")
    step = Step(Cause.POLICY, 12, 10, "not above 10 (2 pods in 1m)")
    return Scaled(
        at=NOW,
        current=8,
        desired=10,
        cause=Cause.POLICY,
        message="10: rps is 600.5, 50 a pod asks for 12",
        explanation=Explanation(2, 40, (known, near, unknown), 12, "rps", (step,), LATER),
        memory=Memory(
            (Recommendation(NOW, 12),), (ScaleEvent(NOW, -2),), NOW, NOW, NOW, NOW, NOW, probe=3
        ),
        active=Said(status=True, reason="ValidMetricFound", message="all are known"),
        limited=Said(status=True, reason="ScaleUpLimit", message="not above 10"),
    )


def test_the_form_of_the_core_is_the_one_that_is_declared() -> None:
    """What is not declared would be lost, and a memory with it."""
    form = shown(everything_decided(), written=True)

    assert wire(replace(FULL, scaling=form))["scaling"] == form
    assert set(paths_of(form)) == set(
        paths_of_schema(structural(ScalingStatus.model_json_schema()))
    )


def test_what_scaling_remembers_survives_the_api_server() -> None:
    scaled = everything_decided()

    stored = wire(replace(FULL, scaling=shown(scaled)))["scaling"]

    assert remember(stored) == scaled.memory


@pytest.mark.parametrize(
    "broken", [{"current": "8"}, {"events": [{"at": AT}]}, {"decision": []}, {"changes": {}}]
)
def test_scaling_of_another_form_is_left_out(broken: dict[str, Any]) -> None:
    """It comes back from the stored status, where anything may stand."""
    assert "scaling" not in wire(replace(FULL, scaling={**SCALING, **broken}))


def test_columns_are_derived() -> None:
    status = wire()

    assert (status["release"]["progress"], status["ready"], status["desired"]) == ("2/3", 10, 8)


def test_numbers_of_metrics_are_short_text() -> None:
    (metric,) = wire()["release"]["metrics"]

    assert (metric["canary"], metric["stable"], metric["evidence"]) == ("0.0123457", "1", "2.5")


def test_an_unchanged_status_stays_the_same() -> None:
    first = wire()

    assert wire(previous=first, now=LATER) == first


def test_a_condition_keeps_its_time_while_its_status_does() -> None:
    before = wire()
    turned = Condition("Ready", status=True, reason="Released", message="")
    kept = Condition("Reconciling", status=True, reason="Other", message="other words")
    after = wire(Status("Healthy", "", (turned, kept)), previous=before, now=LATER)

    times = {item["type"]: item["lastTransitionTime"] for item in after["conditions"]}
    assert times == {"Ready": rfc3339(LATER), "Reconciling": rfc3339(NOW)}


def test_a_decision_is_added_after_the_others() -> None:
    first = wire()
    second = wire(previous=first, now=LATER, decision=Decision("paused", "no data"))

    assert [item["what"] for item in second["decisions"]] == [DECISION.what, "paused"]
    assert second["decisions"][1]["at"] == rfc3339(LATER)


def test_a_repeated_decision_is_not_added() -> None:
    long = Decision("paused", 1000 * "no data ")
    first = wire(decision=long)

    assert wire(previous=first, now=LATER, decision=long)["decisions"] == first["decisions"]


def test_the_last_ten_decisions_are_kept() -> None:
    status: dict[str, Any] = {}
    for number in range(15):
        status = wire(previous=status, decision=Decision(f"decision {number}", "because"))

    assert [item["what"] for item in status["decisions"]] == [
        f"decision {number}" for number in range(5, 15)
    ]


def test_without_a_decision_the_kept_ones_stay() -> None:
    first = wire()

    assert wire(previous=first, decision=None)["decisions"] == first["decisions"]


def test_times_are_in_utc_to_the_second() -> None:
    east = timezone(timedelta(hours=2))

    assert rfc3339(datetime(2026, 1, 1, 1, 30, 0, 999999, east)) == "2025-12-31T23:30:00Z"


@pytest.mark.parametrize(
    "previous",
    [
        {"conditions": None, "decisions": None},
        {"conditions": {"type": "Ready"}, "decisions": "none"},
        {"conditions": ["Ready", {}, {"type": "Ready", "status": "False"}], "decisions": [7, {}]},
        {"decisions": [{"at": 1, "what": "x", "why": "y"}]},
        {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": 5}]},
    ],
)
def test_a_stored_status_of_any_form_is_survived(previous: dict[str, Any]) -> None:
    assert wire(previous=previous) == wire()


def test_a_message_is_one_line() -> None:
    status = Status("Stalled", "back-off\n  pulling\timage", ())

    assert wire(status)["message"] == "back-off pulling image"


def scaling_of(text: str, count: int) -> dict[str, Any]:
    """As large as the core makes it: 20 metrics, and 60 entries at most of each list."""
    decision = {
        **SCALING["decision"],
        "message": text,
        "metrics": [
            {**SCALING["decision"]["metrics"][0], "name": f"m{i}", "detail": text[:120]}
            for i in range(min(count, 20))
        ],
        "steps": [{"cause": "Waiting", "from": 12, "to": 10, "why": text}] * 4,
    }
    return {
        **SCALING,
        "decision": decision,
        "changes": [{"at": AT, "from": 8, "to": 10, "message": text}] * 5,
        "recommendations": SCALING["recommendations"] * min(2 * count, 60),
        "events": SCALING["events"] * min(2 * count, 60),
    }


@settings(deadline=None)
@given(st.text(max_size=3), st.sampled_from([1, 300, 5000]), st.integers(1, 30))
def test_it_stays_under_32_kib_and_settles(letters: str, times: int, count: int) -> None:
    text = letters * times
    release = {
        **(FULL.release or {}),
        "images": [text] * count,
        "metrics": [{"name": f"m{i}", "message": text, "canary": text} for i in range(count)],
    }
    conditions = tuple(
        Condition(f"C{i}", status=True, reason="R", message=text) for i in range(min(count, 9))
    )
    rejected = ({"hash": "x", "at": AT, "reason": text},) * count
    status = Status("Paused", text, conditions, None, release, rejected, {"result": text})
    status = replace(status, scaling=scaling_of(text[:300], count))
    first: dict[str, Any] = {}
    for number in range(10):
        decision = Decision(f"{number}", text)
        first = wire(status, previous=first, decision=decision)
    second = wire(status, previous=first, decision=decision)

    assert len(json.dumps(first, ensure_ascii=False).encode()) < MAX_BYTES
    assert wire(status, previous=second, now=LATER, decision=decision) == second
