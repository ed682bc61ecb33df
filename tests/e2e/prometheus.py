"""Questions to the cluster's Prometheus, asked by the tests themselves."""

from __future__ import annotations

import time

import requests

from stage.cluster import PROMETHEUS_URL


def first_above(query: str, limit: float, start: float) -> float | None:
    """The first instant (Unix seconds, in steps of 1 s) at which a reading was above the limit.

    None when none was until now.
    """
    parameters: dict[str, str | float] = {
        "query": query,
        "start": start,
        "end": time.time(),
        "step": 1,
    }
    answer = requests.get(f"{PROMETHEUS_URL}/api/v1/query_range", params=parameters, timeout=10)
    answer.raise_for_status()
    for series in answer.json()["data"]["result"]:
        for at, value in series["values"]:
            if float(value) > limit:
                return float(at)
    return None
