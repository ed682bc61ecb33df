"""A KEDA ScaledObject (keda.sh/v1alpha1) as a Rollout.

KEDA makes a HorizontalPodAutoscaler of it, which counts as Sluice does, and scales to zero and
from it by itself. https://keda.sh/docs/latest/reference/scaledobject-spec/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sluice.cli.facts import Json, annotations_of, part, parts
from sluice.cli.moving.draft import (
    UNWRITTEN_QUERY,
    UNWRITTEN_TARGET,
    Draft,
    Metric,
    Unfit,
    begin,
    named,
    unique,
    unwritten,
    whole,
)
from sluice.cli.moving.hpa import above_zero, behavior_of
from sluice.cli.moving.windows import duration_of, start_of
from sluice.core.times import span

_MAX_REPLICAS: Final = 100
_POLLING_SECONDS: Final = 30
# What a prometheus trigger says of its server; at Sluice this is said of the source.
_OF_THE_SERVER: Final = (
    "namespace", "customHeaders", "queryParameters", "unsafeSsl", "authModes", "timeout",
)  # fmt: skip
_OF_ZERO: Final = {
    "idleReplicaCount": "Sluice does not scale to zero",
    "cooldownPeriod": "it is for scaling to zero",
    "initialCooldownPeriod": "it is for scaling to zero",
}


def draft_of(raw: Json) -> Draft:
    """The Rollout for a ScaledObject. Raises Unfit."""
    spec = part(raw, "spec")
    low, high = spec.get("minReplicaCount"), spec.get("maxReplicaCount")
    target = part(spec, "scaleTargetRef")
    draft = begin(raw, target, low or 0, _MAX_REPLICAS if high is None else high)
    advanced = part(spec, "advanced")
    draft.behavior = behavior_of(part(advanced, "horizontalPodAutoscalerConfig"))
    _lose(draft, raw, spec, advanced)
    modifiers = part(advanced, "scalingModifiers")
    triggers = parts(spec, "triggers")
    server = _tell_servers(draft, triggers)
    for trigger in triggers:
        _add(draft, trigger, server, formula=bool(modifiers))
    if modifiers:
        _add_formula(draft, modifiers)
    _interval(draft, spec, triggers)
    _fallback(draft, spec)
    if not draft.metrics and draft.schedules:
        draft.add(Metric("none", "vector(1)", {"averageValue": "1"}))
        draft.changed.append("a metric there has to be: vector(1) asks for one pod, ever")
    elif not draft.metrics:
        draft.add(unwritten("load", "a query whose value rises with the load, and its target"))
    return draft


def _lose(draft: Draft, raw: Json, spec: Json, advanced: Json) -> None:
    """What stands beside the triggers and has no place in a Rollout."""
    for name, why in _OF_ZERO.items():
        if spec.get(name) is not None:
            draft.lost.append(f"{name} {spec[name]}: {why}")
    if advanced.get("restoreToOriginalReplicaCount"):
        draft.lost.append(
            "restoreToOriginalReplicaCount: turn it off before you delete the ScaledObject, which "
            "would set the replicas back; a Rollout that is deleted leaves those there are"
        )
    for name, value in annotations_of(raw).items():
        if name.startswith("autoscaling.keda.sh/paused"):
            draft.lost.append(f"{name}={value}: mode Recommend writes nothing either")


def _add(draft: Draft, trigger: Json, server: str, *, formula: bool) -> None:
    kind = str(trigger.get("type"))
    title = f"trigger {trigger['name']} ({kind})" if trigger.get("name") else f"trigger {kind}"
    if kind == "cron":
        _add_schedule(draft, title, trigger)
    elif kind != "prometheus":
        advice = "Sluice scales on queries alone"
        hint = "; docs/moving-in.md has one to begin with" if kind in ("cpu", "memory") else ""
        draft.lost.append(f"{title}{_settings(trigger)}: {advice}{hint}")
    elif not formula:
        _add_query(draft, title, trigger, server)


def _settings(trigger: Json) -> str:
    value = part(trigger, "metadata").get("value")
    return f" at {value}" if value is not None else ""


# --- prometheus


def _add_query(draft: Draft, title: str, trigger: Json, server: str) -> None:
    metadata = part(trigger, "metadata")
    threshold, query = metadata.get("threshold"), str(metadata.get("query") or "").strip()
    if not above_zero(threshold) or not query:
        draft.lost.append(f"{title}: it has no query, or no threshold greater than zero")
        return
    form = "value" if trigger.get("metricType") == "Value" else "averageValue"
    name = str(trigger.get("name") or metadata.get("metricName") or "prometheus")
    target, its_server = {form: str(threshold)}, _server(trigger)
    if its_server == server:
        draft.add(Metric(name, query, target))
    else:
        # A Rollout has one source: another server may give another value, or none.
        to_do = f"a query of the one source for what {its_server} gave for {query}"
        draft.add(Metric(name, UNWRITTEN_QUERY, target, to_do))
    _lose_of_query(draft, title, trigger, metadata)


def _lose_of_query(draft: Draft, title: str, trigger: Json, metadata: Json) -> None:
    activation = metadata.get("activationThreshold")
    if above_zero(activation):
        draft.lost.append(f"{title}: activationThreshold {activation}: Sluice keeps at least 1 pod")
    if trigger.get("authenticationRef"):
        name = part(trigger, "authenticationRef").get("name")
        draft.lost.append(
            f"{title}: authenticationRef {name}: credentials stand beside the source's address, in "
            "the operator's configuration"
        )
    of_server = [name for name in _OF_THE_SERVER if metadata.get(name)]
    if of_server:
        draft.lost.append(
            f"{title}: {', '.join(of_server)}: what is said of the server belongs to the source, "
            "in the operator's configuration"
        )
    if str(metadata.get("ignoreNullValues", "true")).lower() != "false":
        draft.changed.append(
            f"{title}: no result was 0 (ignoreNullValues), and is unknown now: nothing is lowered; "
            "where it means none, append `or vector(0)` to the query"
        )


def _server(trigger: Json) -> str:
    return str(part(trigger, "metadata").get("serverAddress") or "")


def _tell_servers(draft: Draft, triggers: Sequence[Json]) -> str:
    """Says where the addresses are now. The server that the Rollout's one source is taken for."""
    found = [_server(trigger) for trigger in triggers if trigger.get("type") == "prometheus"]
    servers = list(dict.fromkeys(found))
    if servers:
        draft.lost.append(
            f"serverAddress {' and '.join(servers)}: a Rollout names one source of the operator's "
            "configuration, which has the address"
        )
    return servers[0] if servers else ""


def _add_formula(draft: Draft, modifiers: Json) -> None:
    """Several triggers made one by a formula: one query has to say the same."""
    target = str(modifiers.get("target") or "")
    form = "value" if modifiers.get("metricType") == "Value" else "averageValue"
    known = {form: target} if above_zero(target) else {"averageValue": UNWRITTEN_TARGET}
    to_do = f"the formula {modifiers.get('formula')} of the triggers as one query"
    draft.add(Metric("formula", UNWRITTEN_QUERY, known, to_do))
    draft.lost.append("scalingModifiers: a query of Sluice's computes for itself")


# --- cron


def _add_schedule(draft: Draft, title: str, trigger: Json) -> None:
    metadata = part(trigger, "metadata")
    start, end = str(metadata.get("start") or ""), str(metadata.get("end") or "")
    try:
        wanted = whole(metadata.get("desiredReplicas"), "desiredReplicas")
        first, last = start_of(start), start_of(end)
        length = duration_of(first, last)
    except Unfit as unfit:
        draft.lost.append(f"{title}: {unfit}")
        return
    if wanted < 1:
        draft.lost.append(f"{title}: it asks for {wanted} pods")
        return
    taken = {str(each["name"]) for each in draft.schedules}
    floor = min(wanted, draft.max_replicas)
    if floor < wanted:
        draft.changed.append(f"{title}: {wanted} pods are more than the most, {floor}")
    draft.schedules.append({
        "name": unique(named(str(trigger.get("name") or "cron"), "cron"), taken),
        "start": first,
        "duration": span(length.total_seconds()),
        "timeZone": str(metadata.get("timezone") or "UTC"),
        "minReplicas": floor,
    })  # fmt: skip


# --- times


def _interval(draft: Draft, spec: Json, triggers: Sequence[Json]) -> None:
    """How often there is a decision. The autoscaler made of a ScaledObject decides every 15 s."""
    polling = spec.get("pollingInterval")
    cached = any(trigger.get("useCachedMetrics") for trigger in triggers)
    seconds = whole(_POLLING_SECONDS if polling is None else polling, "spec.pollingInterval")
    if cached:
        draft.interval = f"{max(1, min(seconds, 600))}s"
    elif polling is not None:
        draft.lost.append(
            f"pollingInterval {polling}: it is for scaling from zero; the autoscaler that KEDA "
            "makes decides every 15s, as Sluice does"
        )


def _fallback(draft: Draft, spec: Json) -> None:
    fallback = part(spec, "fallback")
    if not fallback:
        return
    replicas = whole(fallback.get("replicas"), "spec.fallback.replicas")
    behavior = str(fallback.get("behavior") or "static")
    if behavior in ("currentReplicas", "currentReplicasIfLower") or replicas < 1:
        draft.lost.append(
            f"fallback ({behavior}, {replicas}): without data Sluice keeps the replicas there are"
        )
        return
    failures = whole(fallback.get("failureThreshold"), "spec.fallback.failureThreshold")
    polling = spec.get("pollingInterval")
    each = whole(_POLLING_SECONDS if polling is None else polling, "spec.pollingInterval")
    draft.fallback = {"replicas": replicas, "after": span(max(1, failures) * max(1, each))}
    if behavior == "static":
        draft.changed.append(
            f"fallback: it raises to {replicas} when no metric answers, and never lowers to it"
        )
