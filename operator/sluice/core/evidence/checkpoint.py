"""A metric's evidence and tally as one compact JSON, and back, exactly.

A checkpoint spares reading days of samples again. It is no second truth: without it the samples
since the release began give the same (M depends on the path, but the path is in the samples).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from sluice.core.evidence.counts import Counts, Last, Tally
from sluice.core.evidence.sequential import (
    RATIOS,
    Ceiling,
    Comparison,
    Evidence,
    Logs,
    Process,
    Sides,
)

# From here on not every whole number is a float.
_EXACT: Final = 2.0**53


def dump(evidence: Evidence, tally: Tally, delay_intervals: float, gone: Collection[str]) -> str:
    """The JSON; the same state always gives the same text. Both must be of the same instant.

    Of the tally only that is kept which the samples at its instant do not show: the last values
    of series that have none there, unless their pod is `gone` for good, and the first instants of
    pods within their delay.
    """
    if evidence.index != tally.at:
        raise ValueError(f"evidence of interval {evidence.index}, tally of {tally.at}")
    absent = {
        pod: [[*key, last.at, _number(last.value)] for key, last in sorted(missing.items())]
        for pod, series in sorted(tally.last.items())
        if pod not in gone
        and (missing := {key: last for key, last in series.items() if last.at < tally.at})
    }
    cold = {
        pod: _number(first)
        for pod, first in sorted(tally.first.items())
        if pod not in gone and first + delay_intervals > tally.at
    }
    body = {
        "at": tally.at,
        "settled": evidence.settled,
        "cuts": {_cut(cut): _comparison(each) for cut, each in evidence.comparisons.items()},
        "m": _process(evidence.process),
        "ceiling": _ceiling(evidence.ceiling) if evidence.ceiling else None,
        "absent": absent,
        "cold": cold,
    }
    kept = {key: value for key, value in body.items() if value not in (None, {})}
    return json.dumps(kept, separators=(",", ":"), allow_nan=False)


def load(text: str) -> tuple[Evidence, Tally]:
    """What `dump` wrote. ValueError for what it cannot have written: anybody can edit an
    annotation, and a state that is not whole is worth nothing.
    """
    try:
        body = json.loads(text, parse_constant=_refuse)
        ceiling = body.get("ceiling")
        evidence = Evidence(
            index=int(body["at"]),
            comparisons={
                float(cut): _read_comparison(each) for cut, each in body.get("cuts", {}).items()
            },
            settled=body["settled"] is True,
            process=_read_process(body["m"]),
            ceiling=_read_ceiling(ceiling) if ceiling else None,
        )
        absent = body.get("absent", {})
        last = {pod: _read_series(series) for pod, series in absent.items()}
        first = {pod: _float(index) for pod, index in body.get("cold", {}).items()}
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError) as error:
        raise ValueError("no checkpoint") from error
    return evidence, Tally(evidence.index, last, first, resumed=True)


def _comparison(comparison: Comparison) -> dict[str, Any]:
    body = {
        "l": [_number(value) for value in comparison.logs],
        "phi": _number(comparison.dispersion),
        "carried": _sides(comparison.carried) if comparison.carried != Sides() else None,
        "pods": {
            pod: [_number(value) for value in counts] for pod, counts in comparison.pods.items()
        },
        "seen": _sides(comparison.seen),
        "on": comparison.started or None,
    }
    return {key: value for key, value in body.items() if value not in (None, {})}


def _read_comparison(body: Mapping[str, Any]) -> Comparison:
    dispersion = _float(body["phi"])
    if dispersion < 1.0:
        raise ValueError("pods cannot scatter less than by 1")
    return Comparison(
        logs=_read_logs(body["l"]),
        dispersion=dispersion,
        carried=_read_sides(body["carried"]) if "carried" in body else Sides(),
        pods={str(pod): _read_counts(counts) for pod, counts in body.get("pods", {}).items()},
        seen=_read_sides(body["seen"]),
        started=body.get("on") is True,
    )


def _process(process: Process) -> list[float]:
    return [_number(process.log_m), process.rises]


def _read_process(body: Sequence[Any]) -> Process:
    log_m, rises = body
    return Process(_float(log_m), int(rises))


def _ceiling(ceiling: Ceiling) -> dict[str, Any]:
    return {
        "l": [_number(value) for value in ceiling.logs],
        "m": _process(ceiling.process),
    }


def _read_ceiling(body: Mapping[str, Any]) -> Ceiling:
    return Ceiling(_read_logs(body["l"]), _read_process(body["m"]))


def _sides(sides: Sides) -> list[list[float]]:
    return [[_number(value) for value in counts] for counts in sides]


def _read_sides(body: Sequence[Any]) -> Sides:
    canary, stable = body
    return Sides(_read_counts(canary), _read_counts(stable))


def _read_counts(body: Sequence[Any]) -> Counts:
    bad, total = body
    return Counts(_float(bad), _float(total))


def _read_logs(body: Sequence[Any]) -> Logs:
    logs = tuple(_float(value) for value in body)
    if len(logs) != len(RATIOS):
        raise ValueError("one logarithm for each ratio")
    return logs


def _read_series(body: Sequence[Any]) -> dict[tuple[str, str], Last]:
    return {
        (str(kind), str(labels)): Last(int(at), _float(value)) for kind, labels, at, value in body
    }


def _cut(cut: float) -> str:
    return repr(_number(cut))


def _number(value: float) -> float:
    """A whole number without its `.0`; every float comes back as it was."""
    return int(value) if float(value).is_integer() and abs(value) < _EXACT else value


def _float(value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise TypeError("not a finite number")
    return float(value)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} in a checkpoint")
