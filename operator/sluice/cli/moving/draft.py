"""What a Rollout is made of, on the way from another autoscaler's object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sluice.cli.facts import Json, name_of, namespace_of

# No placeholder of Sluice's, and no quantity: the API refuses both until somebody has written.
UNWRITTEN_QUERY: Final = "{{write-the-query}}"
UNWRITTEN_TARGET: Final = "write-a-quantity"
_MAX_NAME: Final = 63


class Unfit(Exception):
    """An object that no Rollout can be made of; says why."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the Rollout. `to_do` is what is to be written by a person."""

    name: str
    query: str
    target: Mapping[str, str]
    to_do: str = ""


@dataclass(slots=True)
class Draft:
    """A Rollout in the making. `lost` does not carry over, `changed` has another meaning here."""

    origin: str
    namespace: str
    deployment: str
    min_replicas: int
    max_replicas: int
    metrics: list[Metric] = field(default_factory=list)
    behavior: Json = field(default_factory=dict)
    interval: str = ""
    fallback: Json = field(default_factory=dict)
    schedules: list[Json] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def add(self, metric: Metric) -> None:
        """Add a metric, under a name that no other has."""
        taken = {each.name for each in self.metrics}
        name = unique(named(metric.name, "metric"), taken)
        self.metrics.append(Metric(name, metric.query, metric.target, metric.to_do))


def unwritten(name: str, to_do: str) -> Metric:
    """A metric of which only the name is known."""
    return Metric(name, UNWRITTEN_QUERY, {"averageValue": UNWRITTEN_TARGET}, to_do)


def begin(raw: Json, target: Mapping[str, Any], low: Any, high: Any) -> Draft:
    """The draft for an object that scales `target`. Raises Unfit where that is no Deployment."""
    kind, version = target.get("kind") or "Deployment", target.get("apiVersion") or "apps/v1"
    if kind != "Deployment" or version != "apps/v1":
        raise Unfit(f"it scales {kind} {target.get('name')} ({version}): Rollouts are of "
                    "Deployments (apps/v1) only")  # fmt: skip
    if not target.get("name"):
        raise Unfit("spec.scaleTargetRef.name is missing")
    most = whole(high, "the most replicas")
    if most < 1:
        raise Unfit(f"it allows at most {most} replicas: Sluice keeps at least 1")
    draft = Draft(
        origin=f"{raw.get('kind')} {title(raw)}",
        namespace=namespace_of(raw),
        deployment=str(target["name"]),
        min_replicas=whole(low, "the fewest replicas"),
        max_replicas=most,
    )
    if draft.min_replicas < 1:
        draft.min_replicas = 1
        draft.lost.append("scaling to zero: Sluice keeps at least 1 pod")
    return draft


def title(raw: Json) -> str:
    """`shop/web`, or `web` where the object names no namespace."""
    return "/".join(part for part in (namespace_of(raw), name_of(raw)) if part)


def whole(value: Any, what: str) -> int:
    """A whole number, also one in quotes. Raises Unfit."""
    try:
        return int(str(value))
    except ValueError:
        raise Unfit(f"{what}: {value!r} is no whole number") from None


def named(text: str, otherwise: str) -> str:
    """A name that the API takes: lower case letters, digits and '-'."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:_MAX_NAME].strip("-") or otherwise


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name[: _MAX_NAME - 4]}-{number}"
    return found
