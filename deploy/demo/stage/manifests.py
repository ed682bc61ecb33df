"""The demo's manifests with other names and numbers: one namespace's worth of objects each."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from stage.cluster import Json

FOLDER: Final = Path(__file__).resolve().parent.parent

# The share of the canary's answers that were errors; the manifest in rollout.yaml has the same.
ERROR_QUERY: Final = (
    'sum(rate(http_requests_total{namespace="{{namespace}}",pod=~"{{canary}}",code=~"5.."}[10s]))'
    ' / sum(rate(http_requests_total{namespace="{{namespace}}",pod=~"{{canary}}"}[10s]))'
)


def _load(name: str, namespace: str) -> list[Json]:
    """The objects of one manifest, all of them in `namespace`."""
    objects = list(yaml.safe_load_all((FOLDER / name).read_text()))
    for item in objects:
        if item["kind"] == "Namespace":
            item["metadata"]["name"] = namespace
        else:
            item["metadata"]["namespace"] = namespace
    return objects


def app(
    namespace: str,
    *,
    replicas: int = 8,
    environment: dict[str, str] | None = None,
    scrape_interval: str = "",
) -> list[Json]:
    """Namespace, Service and Deployment `web`; `environment` is added to the container's own.

    `scrape_interval` (a Prometheus duration) in the place of the test cluster's one second.
    """
    objects = _load("app.yaml", namespace)
    deployment = objects[-1]
    assert deployment["kind"] == "Deployment"
    deployment["spec"]["replicas"] = replicas
    template = deployment["spec"]["template"]
    if scrape_interval:
        template["metadata"]["annotations"]["prometheus.io/scrape-interval"] = scrape_interval
    container = template["spec"]["containers"][0]
    merged = {entry["name"]: entry["value"] for entry in container["env"]} | (environment or {})
    container["env"] = [{"name": name, "value": value} for name, value in merged.items()]
    return objects


def load(namespace: str, *, rate: float = 80) -> list[Json]:
    """The Deployment `load`: `rate` requests per second to the Service `web`."""
    objects = _load("load.yaml", namespace)
    for entry in objects[0]["spec"]["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == "RATE":
            entry["value"] = f"{rate:g}"
    return objects


def rollout(namespace: str, *, name: str = "web", **canary: object) -> Json:
    """A Rollout for the Deployment `web` with `canary` as its `spec.canary`; else the demo's own.

    Field names are those of the API: `rollout("a", steps=[...], progressDeadline="10s")`.
    """
    found = _load("rollout.yaml", namespace)[0]
    found["metadata"]["name"] = name
    if canary:
        found["spec"]["canary"] = canary
    return found


def step(weight: int, duration: str = "0s", **more: object) -> Json:
    """One step of a release."""
    return {"weight": weight, "duration": duration, **more}


def error_analysis(*, maximum: str = "0.01", interval: str = "5s", **more: object) -> Json:
    """An analysis with one metric, `errors`: the canary's error ratio, at most `maximum`."""
    metric = {"name": "errors", "query": ERROR_QUERY, "max": maximum}
    return {"interval": interval, "metrics": [metric], **more}
