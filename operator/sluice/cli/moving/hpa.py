"""A HorizontalPodAutoscaler (autoscaling/v2) as a Rollout: Sluice computes as it does."""

from __future__ import annotations

from typing import Any, Final

from sluice.cli.facts import Json, name_of, part, parts
from sluice.cli.moving.adapter import Adapter, Asked
from sluice.cli.moving.draft import (
    UNWRITTEN_QUERY,
    UNWRITTEN_TARGET,
    Draft,
    Metric,
    Unfit,
    begin,
    title,
    unwritten,
)

API_VERSION: Final = "autoscaling/v2"
_NO_ADAPTER: Final = (
    "the query is in the configuration of whatever serves the metric; with prometheus-adapter, "
    "--adapter-config FILE reads it"
)


def draft_of(raw: Json, adapter: Adapter | None) -> Draft:
    """The Rollout for an autoscaler. Raises Unfit."""
    _refuse(raw)
    spec = part(raw, "spec")
    if spec.get("maxReplicas") is None:
        raise Unfit("spec.maxReplicas is missing")
    low = spec["minReplicas"] if spec.get("minReplicas") is not None else 1
    draft = begin(raw, part(spec, "scaleTargetRef"), low, spec["maxReplicas"])
    draft.behavior = behavior_of(spec)
    for metric in parts(spec, "metrics"):
        _add(draft, metric, adapter)
    if not parts(spec, "metrics"):
        draft.lost.append("cpu at 80% of the requests, which an autoscaler without metrics goes by")
    if not draft.metrics:
        draft.add(unwritten("load", "a query whose value rises with the load, and its target"))
    return draft


def _refuse(raw: Json) -> None:
    version = str(raw.get("apiVersion"))
    if version != API_VERSION:
        raise Unfit(
            f"it is written as {version}: `kubectl get hpa {name_of(raw)} -o yaml` gives it as "
            f"{API_VERSION}"
        )
    maker = maker_of(raw)
    if maker:
        raise Unfit(f"KEDA made it of ScaledObject {maker}: import that one")


def maker_of(raw: Json) -> str:
    """The ScaledObject that KEDA has made the autoscaler of, as its title; empty without one."""
    owners = parts(raw, "metadata", "ownerReferences")
    names = [str(owner.get("name")) for owner in owners if owner.get("kind") == "ScaledObject"]
    return title({"metadata": part(raw, "metadata") | {"name": names[0]}}) if names else ""


def behavior_of(above: Json) -> Json:
    """`behavior` word for word; what is null is absent."""
    kept = _kept(above.get("behavior"))
    return kept if isinstance(kept, dict) else {}


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(item) for key, item in value.items() if item not in (None, {}, [])}
    return [_kept(item) for item in value] if isinstance(value, list) else value


def _add(draft: Draft, metric: Json, adapter: Adapter | None) -> None:
    match str(metric.get("type")):
        case "Resource":
            _lose_resource(draft, part(metric, "resource"), "")
        case "ContainerResource":
            resource = part(metric, "containerResource")
            _lose_resource(draft, resource, f" of container {resource.get('container')}")
        case "External":
            _carry(draft, part(metric, "external"), "External", adapter)
        case "Pods":
            _carry(draft, part(metric, "pods"), "Pods", adapter)
        case "Object":
            _carry(draft, part(metric, "object"), "Object", adapter)
        case other:
            draft.lost.append(f"a metric of type {other}, which Sluice does not know")


def _lose_resource(draft: Draft, resource: Json, whose: str) -> None:
    """CPU and memory: their values come from the metrics API, which Sluice does not ask."""
    target = part(resource, "target")
    utilization = target.get("averageUtilization")
    share = f"{utilization}% of the requests" if utilization else f"{target.get('averageValue')}"
    draft.lost.append(
        f"{resource.get('name')}{whose} at {share}: Sluice scales on queries alone; "
        "docs/moving-in.md has one to begin with"
    )


def _carry(draft: Draft, source: Json, kind: str, adapter: Adapter | None) -> None:
    name = str(part(source, "metric").get("name") or "metric")
    target = _target(part(source, "target"))
    if target is None:
        draft.lost.append(f"{kind} metric {name}: its target is no quantity greater than zero")
        return
    asked = _ask(source, name, kind, adapter) if adapter else Asked(why_not=_NO_ADAPTER)
    if asked.query:
        draft.add(Metric(name, asked.query, target))
        return
    to_do = f"{_wanted(source, name, kind)}; {asked.why_not}"
    draft.add(Metric(name, UNWRITTEN_QUERY, target, to_do))


def _ask(source: Json, name: str, kind: str, adapter: Adapter) -> Asked:
    selector = part(source, "metric", "selector")
    if kind == "External":
        return adapter.external(name, selector)
    if kind == "Pods":
        return adapter.pods(name, selector)
    described = part(source, "describedObject")
    return adapter.described(name, selector, str(described.get("kind")), str(described.get("name")))


def _wanted(source: Json, name: str, kind: str) -> str:
    """What the query is to give."""
    selector = part(source, "metric", "selector")
    of = f"{name} with {_words(selector)}" if selector else name
    if kind == "Pods":
        return f'the sum of {of} of the pods pod=~"{{{{pods}}}}"'
    if kind == "Object":
        described = part(source, "describedObject")
        return f"{of} of {described.get('kind')} {described.get('name')}"
    return f"the sum of the External metric {of}"


def _words(selector: Json) -> str:
    labels = [f"{key}={value}" for key, value in part(selector, "matchLabels").items()]
    for each in parts(selector, "matchExpressions"):
        values = ",".join(map(str, each.get("values") or []))
        labels.append(f"{each.get('key')} {each.get('operator')} {values}".rstrip())
    return ", ".join(labels)


def _target(target: Json) -> dict[str, str] | None:
    """The target, with the autoscaler's own names; None where it is none that is above zero."""
    for key in ("averageValue", "value"):
        if target.get(key) is not None:
            return {key: str(target[key])} if above_zero(target[key]) else None
    return {"averageValue": UNWRITTEN_TARGET}


def above_zero(value: Any) -> bool:
    """Whether it is a quantity greater than zero."""
    from sluice.api.quantities import is_quantity, parse  # noqa: PLC0415  (only for this)

    return is_quantity(str(value)) and parse(str(value)) > 0
