"""Rollouts that scale, with the last decision in their status."""

from __future__ import annotations

from typing import Any

from unit.cli.objects import Json, at, pod, replica_set, rollout

Story = tuple[Json, list[Json], list[Json]]


def story(scaling: Json | None, mode: str = "Active", *conditions: Json) -> Story:
    """3 pods at rest, and what scaling says of them."""
    found = rollout()
    found["status"] |= {"scaling": scaling} if scaling else {}
    found["spec"]["scaling"] = {"mode": mode, "minReplicas": 2, "maxReplicas": 40}
    found["status"]["conditions"] += conditions
    return (
        found,
        [replica_set("aaa", "stable", 1, 3, 3, stable_at=at(1))],
        [pod("aaa", suffix) for suffix in ("p1", "p2", "p3")],
    )


def condition(kind: str, status: str, reason: str, message: str) -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def requests(value: str, proposal: int, ratio: str, **more: Any) -> Json:
    """A metric of 50 requests per second a pod."""
    plain = {"name": "requests", "kind": "averageValue", "target": "50", "value": value}
    return {**plain, "proposal": proposal, "ratio": ratio, **more}


def raised() -> Story:
    """The load has risen, and a policy holds the number back."""
    message = (
        "6: requests is 560, 50 a pod asks for 12; not above 7 (4 pods in 15s); not above 6 "
        "(schedule night)"
    )
    decision = {
        "at": at(2, 45),
        "cause": "Schedule",
        "message": message,
        "active": "ValidMetricFound",
        "limited": "TooManyReplicas",
        "floor": 2,
        "ceiling": 6,
        "metrics": [
            requests("560", 12, "3.73"),
            {
                "name": "queue-wait",
                "kind": "value",
                "target": "0.5",
                "value": "0.512",
                "proposal": 3,
                "ratio": "1.024",
                "withinTolerance": True,
            },
        ],
        "largest": 12,
        "by": "requests",
        "steps": [
            {"cause": "Policy", "from": 12, "to": 7, "why": "not above 7 (4 pods in 15s)"},
            {"cause": "Schedule", "from": 7, "to": 6, "why": "not above 6 (schedule night)"},
        ],
    }
    changes = [
        {"at": at(1), "from": 2, "to": 3, "message": "3: requests is 140, 50 a pod asks for 3"},
        {"at": at(2, 45), "from": 3, "to": 6, "message": message},
    ]
    return story(
        {
            "current": 6,
            "desired": 6,
            "decision": decision,
            "nextChange": at(50),
            "changes": changes,
            "recommendations": [{"at": at(2, 45), "replicas": 12}],
            "events": [{"at": at(2, 45), "change": 3}],
        },
        "Active",
        condition("ScalingActive", "True", "ValidMetricFound", "every metric is known"),
        condition("ScalingLimited", "True", "TooManyReplicas", "not above 6 (schedule night)"),
    )


def blind() -> Story:
    """A metric is unknown, so that nothing is lowered."""
    decision = {
        "at": at(2, 45),
        "cause": "Unknown",
        "message": "3: requests is 90, 50 a pod asks for 2; queue-wait is unknown (Empty), "
        "nothing is lowered",
        "active": "FailedGetExternalMetric",
        "limited": "DesiredWithinRange",
        "floor": 2,
        "ceiling": 40,
        "metrics": [
            requests("90", 2, "0.6"),
            {
                "name": "queue-wait",
                "kind": "value",
                "target": "0.5",
                "unknown": "Empty",
                "detail": "the query gave no series",
            },
        ],
        "largest": 2,
        "by": "requests",
        "steps": [{"cause": "Unknown", "from": 2, "to": 3, "why": "nothing is lowered"}],
    }
    said = "the query of metric queue-wait gave no series"
    return story(
        {"current": 3, "desired": 3, "decision": decision},
        "Active",
        condition("ScalingActive", "False", "FailedGetExternalMetric", said),
    )


def recommended() -> Story:
    """What would be written, if it were not for the mode."""
    decision = {
        "at": at(2, 45),
        "cause": "Metric",
        "message": "5: requests is 240, 50 a pod asks for 5",
        "active": "ValidMetricFound",
        "limited": "DesiredWithinRange",
        "floor": 2,
        "ceiling": 40,
        "metrics": [requests("240", 5, "1.6")],
        "largest": 5,
        "by": "requests",
    }
    return story({"current": 3, "desired": 5, "decision": decision}, "Recommend")


def undecided() -> Story:
    """Scaling that was asked for a moment ago."""
    return story(None)
