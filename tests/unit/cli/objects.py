"""Objects as the API server gives them, in the states that a release goes through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sluice.core.policy import Analysis, Metric
from sluice.core.release_data import ReleaseData

Json = dict[str, Any]

NOW = datetime(2026, 5, 4, 12, 3, 0, tzinfo=UTC)
METRIC = {"name": "errors", "query": "up", "max": "0.01"}
STEPS = [
    {"weight": 10, "duration": "15s", "approval": "NotRequired"},
    {"weight": 25, "duration": "1m", "approval": "Required"},
    {"weight": 50, "duration": "2m30s", "approval": "NotRequired"},
]


def at(minute: int, second: int = 0) -> str:
    """A time of the morning of these stories."""
    return f"2026-05-04T12:{minute:02d}:{second:02d}Z"


def rollout(
    phase: str = "Healthy",
    reason: str = "Unchanged",
    message: str = "revision 1: 3 of 3 pods available",
    *,
    name: str = "web",
    namespace: str = "demo",
    **status: Any,
) -> Json:
    condition = {"type": "Reconciling", "status": "False", "reason": reason, "message": message}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": at(0),
            "annotations": {},
            "managedFields": [{"manager": "sluice"}],
        },
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "paused": False,
            "canary": {
                "steps": STEPS,
                "progressDeadline": "10m",
                "analysis": {"metrics": [METRIC]},
            },
        },
        "status": {
            "observedGeneration": 1,
            "phase": phase,
            "message": message,
            "conditions": [condition],
            "ready": 3,
            "desired": 3,
            "stable": {"hash": "aaa", "revision": 1, "replicas": 3, "available": 3},
            **status,
        },
    }


def release(step: int, weight: int, **more: Any) -> Json:
    """A release under way, for the status."""
    return {
        "id": "2-bbbbb-1",
        "hash": "bbb",
        "images": ["registry.example/team/web:v2"],
        "step": step,
        "steps": 3,
        "progress": f"{step}/3",
        "weight": weight,
        "startedAt": at(2),
        "stepStartedAt": at(2, 50),
        **more,
    }


def replica_set(
    pod_hash: str, role: str, revision: int, replicas: int, available: int, **annotations: str
) -> Json:
    named = {f"sluice.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
    own = {"sluice.dev/role": role, "deployment.kubernetes.io/revision": str(revision), **named}
    return {
        "metadata": {
            "name": f"web-{pod_hash}",
            "namespace": "demo",
            "uid": f"uid-{pod_hash}",
            "creationTimestamp": at(revision),
            "labels": {"pod-template-hash": pod_hash, "sluice.dev/rollout": "web"},
            "annotations": own,
        },
        "spec": {"replicas": replicas, "template": template(f"v{revision}")},
        "status": {"replicas": replicas, "availableReplicas": available},
    }


def template(version: str) -> Json:
    container = {
        "name": "web",
        "image": f"registry.example/team/web:{version}",
        "env": [{"name": "VERSION", "value": version}],
    }
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def deployment(version: str) -> Json:
    return {
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"replicas": 3, "template": template(version)},
    }


def canary_data(*metrics: Metric, **more: Any) -> str:
    """What a canary remembers of its release."""
    analysis = Analysis(
        no_data_action="Rollback", metrics=metrics or (Metric("errors", "up", maximum=0.01),)
    )
    body = json.loads(ReleaseData(analysis).dump())
    return json.dumps({**body, **more})


def pod(pod_hash: str, suffix: str, container: Json | None = None, **status: Any) -> Json:
    ready = container is None
    state = container or {"name": "web", "ready": True, "restartCount": 0}
    return {
        "metadata": {
            "name": f"web-{pod_hash}-{suffix}",
            "creationTimestamp": at(2),
            "labels": {"pod-template-hash": pod_hash},
            "ownerReferences": [{"uid": f"uid-{pod_hash}", "controller": True}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [state],
            **status,
        },
    }


def crashing() -> Json:
    """A container in its third restart."""
    return {
        "name": "web",
        "ready": False,
        "restartCount": 2,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
    }


def at_rest() -> tuple[Json, list[Json], list[Json]]:
    """(Rollout, ReplicaSets, pods) with nothing under way."""
    return (
        rollout(),
        [replica_set("aaa", "stable", 1, 3, 3, stable_at=at(1))],
        [pod("aaa", suffix) for suffix in ("p1", "p2", "p3")],
    )


def crash_in_step_1() -> tuple[Json, list[Json], list[Json]]:
    """A canary that does not come up."""
    message = (
        'step 1 of 3 (10%): 0 of 1 pods available; container "web" of pod web-bbb-q1 restarted '
        "2 times (limit 3); last state: Error, exit code 1; rolled back at 12:12:00 UTC otherwise"
    )
    found, sets, pods = at_rest()
    found = rollout("Progressing", "Unavailable", message, release=release(1, 0))
    canary = replica_set("bbb", "canary", 2, 1, 0, grow_started=at(2), release_data=canary_data())
    return found, [canary, *sets], [*pods, pod("bbb", "q1", crashing())]


def failing_in_step_3() -> tuple[Json, list[Json], list[Json]]:
    """Both sides serve, a metric is unknown."""
    metrics = [
        {
            "name": "errors",
            "verdict": "Unknown",
            "message": 'metric "errors" is unknown (Empty: the query gave no series)',
        }
    ]
    found, sets, pods = at_rest()
    found = rollout(
        "Progressing",
        "Unknown",
        'step 3 of 3 (50%) holds: metric "errors" is unknown (Empty: the query gave no series)',
        release=release(3, 50, metrics=metrics),
        lastCommand={
            "id": "u/1",
            "verb": "promote=2-bbbbb-1/2",
            "at": at(2, 40),
            "result": "step 2 of 3 (25%) is approved",
        },
    )
    canary = replica_set(
        "bbb",
        "canary",
        2,
        3,
        3,
        step_started=at(2, 50),
        release_data=canary_data(unknownSince=at(2, 55)),
    )
    return found, [*sets, canary], [*pods, *(pod("bbb", s) for s in ("q1", "q2", "q3"))]


def few_requests_in_step_2() -> tuple[Json, list[Json], list[Json]]:
    """The canary is compared with the stable version, and has had few requests."""
    errors = Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total"))
    slow = Metric("latency", histogram="request_seconds", tolerance=1.5)
    capped = Metric("denied", counters=("denied_total", "requests_total"), maximum=0.05)
    counts = (
        "%s of %s requests (%s%%) %s on the canary, %s of %s requests (%s%%) on the stable side; %s"
    )
    seen = "5 times as many would have been seen by now"
    said = {
        "errors": counts % (1, 64, 1.56, "bad", 4, 512, 0.781, seen),
        "latency": counts % (9, 64, 14.1, "slower than 0.1", 51, 512, 9.96, seen),
        "denied": counts % (31, 64, 48.4, "bad", 3, 512, 0.586, "worse, with confidence 0.99"),
    }
    few = "64 of 100 requests in this step (minRequests)"
    readings = [
        {
            "name": name,
            "verdict": verdict,
            "canary": canary,
            "stable": stable,
            "evidence": evidence,
            "message": f'metric "{name}": {said[name]}{rest}',
        }
        for name, verdict, canary, stable, evidence, rest in (
            ("errors", None, "0.01562", "0.007812", "0.1203", f"; {few}"),
            ("latency", "Pass", "0.1406", "0.09961", "0", ""),
            ("denied", "Fail", "0.4844", "0.005859", "1", ""),
        )
    ]
    metrics = [{key: value for key, value in item.items() if value} for item in readings]
    found, sets, pods = at_rest()
    found = rollout(
        "Progressing",
        "LowTraffic",
        f"step 2 of 3 (25%) waits for more requests: {readings[0]['message']}; "
        "Pause at 12:31:00 UTC",
        release=release(2, 25, metrics=metrics),
    )
    data = canary_data(errors, slow, capped)
    canary = replica_set("bbb", "canary", 2, 1, 1, step_started=at(1), release_data=data)
    return found, [*sets, canary], [*pods, pod("bbb", "q1")]


def approval_in_step_2() -> tuple[Json, list[Json], list[Json]]:
    """A release that waits for a person."""
    metrics = [{"name": "errors", "verdict": "Pass", "canary": "0.002", "message": "good"}]
    found, sets, pods = at_rest()
    found = rollout(
        "Paused",
        "Approval",
        "step 2 of 3 (25%) waits for approval",
        release=release(2, 25, metrics=metrics),
    )
    canary = replica_set("bbb", "canary", 2, 1, 1, step_started=at(1), release_data=canary_data())
    return found, [*sets, canary], [*pods, pod("bbb", "q1")]


def rolled_back() -> tuple[Json, list[Json], list[Json]]:
    """The canary was bad; the stable version serves."""
    why = 'metric "errors" is 0.3, above its maximum 0.01 at step 1 of 3 (10%)'
    _, sets, pods = at_rest()
    found = rollout(
        "RolledBack",
        "TemplateRejected",
        f"revision 1 serves; the Deployment's template is rejected: {why}",
        rejected=[{"hash": "bbb", "at": at(2, 30), "reason": why}],
        decisions=[
            {"at": at(2), "what": "make the canary", "why": "new template bbb"},
            {"at": at(2, 30), "what": "reject the canary and take it to 0", "why": why},
        ],
    )
    rejected = replica_set("bbb", "rejected", 2, 0, 0, rejected_at=at(2, 30), reason=why)
    return found, [*sets, rejected], pods
