"""The metrics of a release: each with its value, what it is held against, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sluice.cli.facts import Facts, Json, Metric, part, parts
from sluice.core import keys


def metrics_of(facts: Facts) -> tuple[Metric, ...]:
    """The metrics of the release under way; those of the spec, without values, before one.

    Limits are those of the frozen analysis that the canary carries: an edit of the spec in
    mid-release does not change them.
    """
    limits = _frozen_limits(facts) or _spec_limits(facts)
    shown = {str(item.get("name")): item for item in parts(facts.release, "metrics")}
    if not facts.release:
        return ()
    return tuple(
        _metric(name, shown.get(name, {}), limits.get(name, ""))
        for name in dict.fromkeys([*limits, *shown])
    )


def release_data(facts: Facts) -> dict[str, Any]:
    """What the canary remembers of its release; empty where it cannot be read."""
    rising = facts.rising
    text = rising.annotations.get(keys.RELEASE_DATA) if rising else None
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _metric(name: str, reading: Json, limit: str) -> Metric:
    value, stable = str(reading.get("canary") or ""), str(reading.get("stable") or "")
    message, evidence = str(reading.get("message") or ""), str(reading.get("evidence") or "")
    if evidence:
        # Counts are compared: shares of all requests, and no word of a limit.
        value, stable, evidence = (_percent(text) for text in (value, stable, evidence))
    unsaid = "too few requests" if message else "not read yet"
    return Metric(
        name=name,
        value=value,
        stable=stable,
        limit=limit,
        verdict=str(reading.get("verdict") or unsaid),
        message=message,
        evidence=evidence,
    )


def _percent(ratio: str) -> str:
    try:
        return f"{100 * float(ratio):.3g}%"
    except ValueError:
        return ratio


def _frozen_limits(facts: Facts) -> dict[str, str]:
    metrics = parts(part(release_data(facts), "analysis"), "metrics")
    return {str(metric.get("name")): _range(metric, "minimum", "maximum") for metric in metrics}


def _spec_limits(facts: Facts) -> dict[str, str]:
    metrics = parts(facts.rollout, "spec", "canary", "analysis", "metrics")
    return {str(metric.get("name")): _range(metric, "min", "max") for metric in metrics}


def _range(metric: Mapping[str, Any], low: str, high: str) -> str:
    """`at most 0.01`: inclusive, as the spec means it."""
    words = []
    for key, word in ((low, "at least"), (high, "at most")):
        value = metric.get(key)
        if value is not None:
            words.append(f"{word} {value:g}" if isinstance(value, float) else f"{word} {value}")
    if not metric.get("query"):
        words.insert(0, _compared(metric.get("tolerance")))
    return " and ".join(words)


def _compared(tolerance: object) -> str:
    """What the canary may have, of the stable version's share."""
    if tolerance in (None, 1, "1"):
        return "no worse than stable"
    times = f"{tolerance:g}" if isinstance(tolerance, float) else str(tolerance)
    return f"at most {times} times stable's"
