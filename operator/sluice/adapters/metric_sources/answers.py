"""The one reader of what a Prometheus answers: bytes in, Known, Matrix or Unknown out.

It is strict, and it never raises: what is not exactly what the HTTP API promises is Malformed.
Nothing that a server has sent is repeated in a sentence: it may be a login page, or hold what is
nobody's business. (https://prometheus.io/docs/prometheus/latest/querying/api/)
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from typing import Any, Final, NoReturn

from sluice.core.plan import Span
from sluice.core.readings import Answer, Known, Matrix, Reason, Series, Unknown

# What is evaluated so long before it is asked for comes from a cache. It leaves room for clocks
# that differ, and for servers that hold back what is new (VictoriaMetrics: 30 s).
STALE_SECONDS: Final = 60.0

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = frozenset({"NaN", "+Inf", "-Inf"})
# Until version 2.53 infos came among the warnings.
_INFO: Final = "PromQL info: "

_MALFORMED: Final = Unknown(Reason.MALFORMED, "the answer is not that of a Prometheus")
_PARTIAL: Final = Unknown(Reason.PARTIAL, "the answer came with warnings, so it may be incomplete")
_EMPTY: Final = Unknown(Reason.EMPTY, "the query gave no series")
_HISTOGRAM: Final = Unknown(
    Reason.WRONG_TYPE, "the query gives native histograms; only numbers can be read"
)
_ONE_VALUE: Final = Unknown(
    Reason.WRONG_TYPE, "the query must give one number (an instant vector or a scalar)"
)
_NO_MATRIX: Final = Unknown(Reason.WRONG_TYPE, "the query must give series over time (a matrix)")


class _Unreadable(Exception):
    """Carries why an answer gives nothing."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown


def one_value(body: bytes, asked_at_seconds: float) -> Answer:
    """The single finite number in the answer to an instant query that was asked at that time."""
    try:
        kind, result = _result(body)
        if kind == "scalar":
            sample = result
        elif kind == "vector":
            sample = _only_sample(result)
        else:
            return _ONE_VALUE
        at, value = _sample(sample)
    except _Unreadable as error:
        return error.unknown
    if at < asked_at_seconds - STALE_SECONDS:
        age = _minutes(asked_at_seconds - at)
        return Unknown(Reason.STALE, f"the value is {age} old: a cache answers, or clocks differ")
    return Known(value)


def series_over_time(body: bytes, span: Span, pod_label: str) -> Answer:
    """The series in the answer to a range query, each of a pod."""
    try:
        kind, result = _result(body)
        if kind != "matrix":
            return _NO_MATRIX
        series = tuple(_series(item, pod_label) for item in _list(result))
    except _Unreadable as error:
        return error.unknown
    if not series:
        return _EMPTY
    if len({(one.pod, one.labels) for one in series}) < len(series):
        return _MALFORMED
    return _stale(series, span) or Matrix(series)


def error_of(body: bytes) -> tuple[str, str]:
    """Type and text of the error in an answer that has failed; empty where it holds none."""
    try:
        answer = _map(_json(body))
    except _Unreadable:
        return "", ""
    kind, text = answer.get("errorType"), answer.get("error")
    if answer.get("status") != "error" or not isinstance(kind, str):
        return "", ""
    return kind, text if isinstance(text, str) else ""


# --- parts of an answer


def _result(body: bytes) -> tuple[str, Any]:
    """Type and content of what was found."""
    answer = _map(_json(body))
    if answer.get("status") != "success":
        raise _Unreadable(_MALFORMED)
    data = _map(answer.get("data"))
    kind = _text(data.get("resultType"))
    warnings = [_text(warning) for warning in _list(answer.get("warnings") or [])]
    if any(not warning.startswith(_INFO) for warning in warnings):
        raise _Unreadable(_PARTIAL)
    return kind, data.get("result")


def _only_sample(result: Any) -> Any:
    vector = [_map(item) for item in _list(result)]
    if not vector:
        raise _Unreadable(_EMPTY)
    if len(vector) > 1:
        sentence = f"the query gave {len(vector)} series; it must give one"
        raise _Unreadable(Unknown(Reason.SEVERAL_SERIES, sentence))
    [only] = vector
    _labels(only)
    if "histogram" in only:
        raise _Unreadable(_HISTOGRAM)
    return only.get("value")


def _series(item: Any, pod_label: str) -> Series:
    item = _map(item)
    labels = _labels(item)
    if "histograms" in item:
        raise _Unreadable(_HISTOGRAM)
    pod = labels.pop(pod_label, "")
    if not pod:
        # To leave the series out would be to judge on a part of the requests.
        sentence = f'a series has no label "{pod_label}" to tell whose it is'
        raise _Unreadable(Unknown(Reason.WRONG_TYPE, sentence))
    samples = tuple(_sample(sample) for sample in _list(item.get("values")))
    if not samples or any(later[0] <= sooner[0] for sooner, later in pairwise(samples)):
        raise _Unreadable(_MALFORMED)
    return Series(pod, tuple(sorted(labels.items())), samples)


def _sample(sample: Any) -> tuple[float, float]:
    if not isinstance(sample, list) or len(sample) != 2:
        raise _Unreadable(_MALFORMED)
    at, text = _instant(sample[0]), sample[1]
    # A number in JSON's own form is not what a Prometheus sends.
    if not isinstance(text, str):
        raise _Unreadable(_MALFORMED)
    if _NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return at, value
        text = "more than a number can hold"
    elif text not in _NOT_FINITE:
        raise _Unreadable(_MALFORMED)
    raise _Unreadable(Unknown(Reason.NOT_FINITE, f"the query gave {text}"))


def _instant(value: Any) -> float:
    """Seconds since 1970, until the year 5138: more is no time, and may fit into no float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise _Unreadable(_MALFORMED)
    return float(value)


def _stale(series: tuple[Series, ...], span: Span) -> Unknown | None:
    """A span whose end nothing reaches, by more than one instant and a minute."""
    newest = max(one.samples[-1][0] for one in series)
    behind = span.end.timestamp() - newest
    if behind < span.step_seconds + max(span.step_seconds, STALE_SECONDS):
        return None
    return Unknown(Reason.STALE, f"the newest sample is {_minutes(behind)} old")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def _labels(item: dict[str, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in _map(item.get("metric")).items()}


# --- JSON


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        # Not UTF-8, not JSON, a number of thousands of digits, or nested without end.
        raise _Unreadable(_MALFORMED) from None


def _no_constant(_: str) -> NoReturn:
    """NaN and Infinity, which are no JSON."""
    raise ValueError


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unreadable(_MALFORMED)
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Unreadable(_MALFORMED)
    return value


def _text(value: Any) -> str:
    # A lone half of a surrogate pair is a text that can be written nowhere.
    if not isinstance(value, str) or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise _Unreadable(_MALFORMED)
    return value
