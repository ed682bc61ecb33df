"""What a metric server may answer that is no answer, by name: statuses, headers and bodies."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
Form = Mapping[str, str]
PODS: Final = ("web-a", "web-b")
# Stands in everything that must not be shown to anybody.
SECRET: Final = "the-servers-own-secret"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def success(form: Form, instant: Any, samples: Callable[[float], Any] | None = None) -> Reply:
    """The value given at an instant; each counter of a range has it at all instants."""
    value = samples or (lambda _: instant)
    if "step" not in form:
        return _found("vector", [{"metric": {"x": SECRET}, "value": [time.time(), instant]}])
    result = [
        {"metric": {"__name__": "m", "pod": pod}, "values": [[at, value(at)] for at in _grid(form)]}
        for pod in PODS
    ]
    return _found("matrix", result)


def _grid(form: Form) -> list[float]:
    start, end, step = (float(form[name]) for name in ("start", "end", "step"))
    return [round(start + k * step, 3) for k in range(int((end - start) / step + 1e-6) + 1)]


def _found(kind: str, result: Any, **more: Any) -> Reply:
    data = {"resultType": kind, "result": result}
    return Reply(body=json.dumps({"status": "success", "data": data, **more}).encode())


def _error(status: int, kind: str, text: str = SECRET, **headers: str) -> Reply:
    body = json.dumps({"status": "error", "errorType": kind, "error": text}).encode()
    return Reply(status, body, headers)


def _html(status: int, **headers: str) -> Reply:
    return Reply(status, f"<html>{SECRET}</html>".encode(), headers)


def healthy(form: Form) -> Reply:
    """1 at an instant; over a span counters that grow by 1 a second."""
    return success(form, "1", lambda at: f"{at:.3f}")


def _changed(form: Form, **more: Any) -> Reply:
    answer = json.loads(healthy(form).body)
    return Reply(body=json.dumps({**answer, **more}).encode())


def _several(form: Form) -> Reply:
    if "step" in form:
        # Over a span many series are meant; twice the same one is not.
        [first, *_] = json.loads(healthy(form).body)["data"]["result"]
        return _found("matrix", [first, first])
    return _found("vector", [{"metric": {}, "value": [time.time(), "1"]}] * 3)


def _histogram(form: Form) -> Reply:
    histogram = [time.time(), {"count": "1", "sum": "1"}]
    if "step" in form:
        return _found("matrix", [{"metric": {"pod": "web-a"}, "histograms": [histogram]}])
    return _found("vector", [{"metric": {}, "histogram": histogram}])


def _stale(form: Form) -> Reply:
    if "step" in form:
        back = {name: str(float(form[name]) - 600) for name in ("start", "end")}
        return healthy({**form, **back})
    return _found("vector", [{"metric": {}, "value": [time.time() - 600, "1"]}])


def _shuffled(form: Form) -> Reply:
    if "step" in form:
        values = [[2.0, "1"], [1.0, "1"]]
        return _found("matrix", [{"metric": {"pod": "web-a"}, "values": values}])
    return _found("vector", [{"metric": {}, "value": ["1", time.time()]}])


def _no_pod(form: Form) -> Reply:
    values = [[at, "1"] for at in _grid(form)] if "step" in form else []
    return _found("matrix", [{"metric": {"instance": SECRET}, "values": values}])


def _wrong_type(form: Form) -> Reply:
    return _found("string", [time.time(), SECRET])


def _zipped(form: Form, body: bytes | None = None) -> Reply:
    return Reply(
        body=gzip.compress(healthy(form).body) if body is None else body,
        headers={"Content-Encoding": "gzip"},
    )


# More than any limit of the client.
_HUGE: Final = 9 << 20

REPLIES: Final[Mapping[str, Callable[[Form], Reply]]] = {
    # Answers that are fine.
    "none": healthy,
    "infos": lambda form: _changed(form, infos=["PromQL info: " + SECRET]),
    "old_infos": lambda form: _changed(form, warnings=["PromQL info: " + SECRET]),
    "gzip": _zipped,
    # HTTP statuses.
    "unauthorized": lambda _: _html(401),
    "forbidden": lambda _: _html(403),
    "bad_query": lambda _: _error(400, "bad_data"),
    "not_executable": lambda _: _error(422, "execution"),
    "store_out": lambda _: _error(422, "execution", f"expanding series: {SECRET}"),
    "bad_request": lambda _: _html(400),
    "not_found": lambda _: _html(404),
    "too_many": lambda _: _html(429),
    "too_many_wait_1": lambda _: _html(429, **{"Retry-After": "1"}),
    "too_many_wait_99": lambda _: _html(429, **{"Retry-After": "99"}),
    "failed": lambda _: _error(500, "internal"),
    "bad_gateway": lambda _: _html(502),
    "unavailable": lambda _: _html(503),
    "unavailable_wait_1": lambda _: _html(503, **{"Retry-After": "1"}),
    "time_is_up": lambda _: _error(503, "timeout"),
    "gateway_timeout": lambda _: _html(504),
    "redirect": lambda _: _html(302, Location=f"http://127.0.0.1:1/{SECRET}"),
    "redirect_post": lambda _: _html(307, Location=f"http://127.0.0.1:1/{SECRET}"),
    "no_content": lambda _: Reply(204),
    # Answers that say no number.
    "empty": lambda form: _found("matrix" if "step" in form else "vector", []),
    "nan": lambda form: success(form, "NaN"),
    "infinite": lambda form: success(form, "+Inf"),
    "overflow": lambda form: success(form, "1e999"),
    "several": _several,
    "wrong_type": _wrong_type,
    "no_pod": _no_pod,
    "histogram": _histogram,
    "stale": _stale,
    "warnings": lambda form: _changed(form, warnings=[SECRET]),
    # Bodies that are no answer.
    "too_large": lambda _: Reply(body=b" " * _HUGE),
    "bomb": lambda form: _zipped(form, gzip.compress(b" " * _HUGE, 1)),
    "html": lambda _: _html(200),
    "nothing": lambda _: Reply(),
    "not_utf8": lambda _: Reply(body=b"\xff\xfe"),
    "deep": lambda _: Reply(body=b"[" * 100_000),
    "status_error": lambda _: Reply(body=_error(400, "bad_data").body),
    "json_number": lambda form: success(form, 1),
    "underscores": lambda form: success(form, "1_0"),
    "shuffled": _shuffled,
    "bad_gzip": lambda form: _zipped(form, b"\x1f\x8b" + SECRET.encode()),
    "cut_gzip": lambda form: _zipped(form, gzip.compress(healthy(form).body)[:-9]),
    "more_than_gzip": lambda form: _zipped(form, gzip.compress(healthy(form).body) + b"more"),
    "unknown_encoding": lambda form: Reply(
        body=healthy(form).body, headers={"Content-Encoding": "br"}
    ),
}
