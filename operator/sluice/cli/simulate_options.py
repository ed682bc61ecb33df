"""The options of `simulate`, read: each that cannot be says what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

import typer

from sluice.api.durations import parse_seconds
from sluice.core.policy import Policy
from sluice.model.scenario import LONGEST_SECONDS, Given, Order, Scenario, Span
from sluice.model.traffic import Version

if TYPE_CHECKING:
    from sluice.cli.simulate import Wishes

_VERBS: Final = ("promote", "promote-full", "abort", "retry", "rollback", "restart")
_MOST_REQUESTS: Final = 1_000_000.0


def scenario(name: str, policy: Policy, wishes: Wishes) -> Scenario:
    """The options as a scenario; typer.BadParameter where one of them is wrong."""
    crash = wishes.crash_at
    until = LONGEST_SECONDS if wishes.until is None else _seconds("--until", wishes.until)
    latency = _seconds("--canary-latency", wishes.canary_latency)
    rps = _number("--rps", wishes.rps, wishes.rps)
    if not 0 <= rps <= _MOST_REQUESTS:
        raise _wrong("--rps", wishes.rps, f"write a number from 0 to {_MOST_REQUESTS:.0f}")
    if not 0 < until <= LONGEST_SECONDS:
        raise _wrong("--until", wishes.until or "", "write a duration of at most 24h, such as 10m")
    if crash is not None and _seconds("--crash-at", crash) <= 0:
        raise _wrong("--crash-at", crash, "write a duration of more than 0s, such as 5s")
    return Scenario(
        policy=policy,
        name=name,
        replicas=wishes.replicas,
        per_second=rps,
        stable=Version(_share("--stable-errors", wishes.stable_errors)),
        canary=Version(_share("--canary-errors", wishes.canary_errors), latency),
        pod_start_seconds=_seconds("--pod-start", wishes.pod_start),
        crash_after_seconds=None if crash is None else _seconds("--crash-at", crash),
        metrics_down=tuple(_span("--prometheus-down", text) for text in wishes.prometheus_down),
        operator_down=tuple(_span("--operator-down", text) for text in wishes.operator_down),
        values=_values(wishes.values, [metric.name for metric in policy.analysis.metrics]),
        orders=tuple(_order(text) for text in wishes.commands),
        until_seconds=until,
        seed=wishes.seed,
    )


def _wrong(option: str, value: str, instead: str) -> typer.BadParameter:
    return typer.BadParameter(f"{option}={value}: {instead}")


def _seconds(option: str, text: str, whole: str | None = None) -> float:
    """A duration; `whole` is the option's value where the text is only a part of it."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        instead = "write a duration such as 500ms, 30s or 1h30m"
        raise _wrong(option, whole or text, instead) from error


def _number(option: str, text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise _wrong(option, whole, f"{text!r} is no number: write one such as 0.2 or 80")
    return number


def _share(option: str, text: str) -> float:
    """`5%` or `0.05` as a ratio."""
    instead = "write a share such as 5% or 0.05, from 0% to 100%"
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError as error:
        raise _wrong(option, text, instead) from error
    if not 0 <= share <= 1:
        raise _wrong(option, text, instead)
    return share


def _span(option: str, text: str, whole: str | None = None) -> Span:
    whole = whole or text
    begin, dots, end = text.partition("..")
    instead = "write FROM..TO, such as 2m..3m, or 2m.. for good"
    if not dots:
        raise _wrong(option, whole, instead)
    since = _seconds(option, begin, whole) if begin else 0.0
    until = _seconds(option, end, whole) if end else inf
    if until <= since:
        raise _wrong(option, whole, f"it ends before it begins: {instead}")
    return Span(since, until)


def _values(texts: Iterable[str], known: list[str]) -> Mapping[str, tuple[Given, ...]]:
    found: dict[str, tuple[Given, ...]] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if not equals:
            raise _wrong("--value", text, "write NAME=NUMBER, such as queue=0.2 or queue=9@2m..3m")
        if name not in known:
            listed = ", ".join(known) or "none"
            raise _wrong("--value", text, f"no metric is named {name}: the Rollout has {listed}")
        number, at, span = rest.partition("@")
        value = _number("--value", number, text)
        given = Given(value, _span("--value", span, text) if at else Span())
        found[name] = (*found.get(name, ()), given)
    return found


def _order(text: str) -> Order:
    verb, at, when = text.rpartition("@")
    if not at or verb.partition("=")[0] not in _VERBS:
        verbs = ", ".join(_VERBS)
        raise _wrong("--command", text, f"write VERB@TIME, such as promote@5m; verbs: {verbs}")
    return Order(_seconds("--command", when, text), verb)
