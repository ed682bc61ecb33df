"""The reader of answers is strict and never raises, whatever a server sends."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.adapters.metric_sources.answers import error_of, one_value, series_over_time
from sluice.core.plan import Span
from sluice.core.readings import Answer, Known, Matrix, Reason, Series, Unknown

NOW = 1_800_000_000.0
END = datetime.fromtimestamp(NOW, UTC)
SPAN = Span(END - timedelta(seconds=60), END, 10.0)


def sent(kind: Any, result: Any, **more: Any) -> bytes:
    answer = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return json.dumps(answer).encode()


def one(kind: Any, result: Any, **more: Any) -> Answer:
    return one_value(sent(kind, result, **more), NOW)


def span(*series: Any, **more: Any) -> Answer:
    return series_over_time(sent("matrix", list(series), **more), SPAN, "pod")


def counter(*values: Any, pod: str = "web-a", **labels: str) -> dict[str, Any]:
    return {"metric": {"pod": pod, **labels}, "values": list(values)}


def reason(answer: Answer) -> Reason | None:
    return answer.reason if isinstance(answer, Unknown) else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("0.05", 0.05),
        ("-1", -1.0),
        ("1e21", 1e21),
        ("-1.5E-7", -1.5e-7),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
    ],
)
def test_a_number_is_known_as_a_vector_and_as_a_scalar(text: str, value: float) -> None:
    assert one("vector", [{"metric": {}, "value": [NOW, text]}]) == Known(value)
    assert one("scalar", [NOW, text]) == Known(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NaN", Reason.NOT_FINITE),
        ("+Inf", Reason.NOT_FINITE),
        ("-Inf", Reason.NOT_FINITE),
        ("1e309", Reason.NOT_FINITE),
        # What float() takes, and what no Prometheus sends.
        ("nan", Reason.MALFORMED),
        ("Infinity", Reason.MALFORMED),
        ("1_000", Reason.MALFORMED),
        (" 1", Reason.MALFORMED),
        ("1\n", Reason.MALFORMED),
        ("+1", Reason.MALFORMED),
        ("0x1p3", Reason.MALFORMED),
        (".5", Reason.MALFORMED),
        ("5.", Reason.MALFORMED),
        ("\u0661", Reason.MALFORMED),
        ("", Reason.MALFORMED),
        ("1,5", Reason.MALFORMED),
        (1, Reason.MALFORMED),
        (1.5, Reason.MALFORMED),
        (True, Reason.MALFORMED),
        (None, Reason.MALFORMED),
    ],
)
def test_what_is_no_finite_number_in_a_text_is_none(text: Any, expected: Reason) -> None:
    assert reason(one("scalar", [NOW, text])) is expected
    assert reason(span(counter([NOW, text]))) is expected


@pytest.mark.parametrize("at", ["1", None, True, -1, 1e12, 10**400, [], {}])
def test_an_instant_is_a_number_of_seconds(at: Any) -> None:
    assert reason(one("scalar", [at, "1"])) is Reason.MALFORMED
    assert reason(span(counter([at, "1"]))) is Reason.MALFORMED


@pytest.mark.parametrize(
    "sample", [[], [NOW], [NOW, "1", "2"], {"0": NOW, "1": "1"}, "11", None, 5]
)
def test_a_sample_is_an_instant_and_a_value(sample: Any) -> None:
    assert reason(one("vector", [{"metric": {}, "value": sample}])) is Reason.MALFORMED
    assert reason(one("scalar", sample)) is Reason.MALFORMED
    assert reason(span(counter(sample))) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        ("vector", [], Reason.EMPTY),
        ("vector", None, Reason.MALFORMED),
        ("vector", 5, Reason.MALFORMED),
        ("vector", [5], Reason.MALFORMED),
        ("vector", [{}], Reason.MALFORMED),
        ("vector", [{"metric": {"a": 5}, "value": [NOW, "1"]}], Reason.MALFORMED),
        ("vector", [{"metric": {}, "histogram": [NOW, {}]}], Reason.WRONG_TYPE),
        ("vector", [{"metric": {}, "value": [NOW, "1"]}] * 2, Reason.SEVERAL_SERIES),
        ("matrix", [], Reason.WRONG_TYPE),
        ("string", [NOW, "1"], Reason.WRONG_TYPE),
        ("streams", [], Reason.WRONG_TYPE),
        (None, [], Reason.MALFORMED),
        ({}, [], Reason.MALFORMED),
    ],
)
def test_a_result_must_be_what_its_type_says(kind: Any, result: Any, expected: Reason) -> None:
    assert reason(one(kind, result)) is expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b'{"status":"success"}',
        b'{"status":"success","data":[]}',
        b'{"status":"success","data":{}}',
        b'{"status":"error","errorType":"bad_data","error":"x"}',
        b'{"data":{"resultType":"scalar","result":[1800000000,"1"]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[NaN,"1"]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}} x',
        b'\xef\xbb\xbf{"status":"success"}',
        b'{"status":"success","x":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_answer_of_a_prometheus_is_malformed(body: bytes) -> None:
    assert reason(one_value(body, NOW)) is Reason.MALFORMED
    assert reason(series_over_time(body, SPAN, "pod")) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("warnings", "expected"),
    [
        ([], None),
        (None, None),
        (["PromQL info: not a counter"], None),
        (["PromQL info: not a counter", "a store is down"], Reason.PARTIAL),
        (["a store is down"], Reason.PARTIAL),
        ("a store is down", Reason.MALFORMED),
        ([5], Reason.MALFORMED),
    ],
)
def test_warnings_make_an_answer_partial_and_infos_do_not(
    warnings: Any, expected: Reason | None
) -> None:
    assert reason(one("scalar", [NOW, "1"], warnings=warnings, infos=["x"])) is expected
    assert reason(span(counter([NOW, "1"]), warnings=warnings, infos=["x"])) is expected


@pytest.mark.parametrize(
    ("age_seconds", "expected"), [(-3600, None), (0, None), (60, None), (61, Reason.STALE)]
)
def test_a_value_from_a_cache_is_stale(age_seconds: float, expected: Reason | None) -> None:
    assert reason(one("scalar", [NOW - age_seconds, "1"])) is expected


# --- over a span


def test_counters_are_told_apart_by_pod_and_labels() -> None:
    answer = span(
        counter([NOW - 10, "1"], [NOW, "2"], pod="web-a", le="0.1", code="200"),
        counter([NOW, "3"], pod="web-b", le="+Inf"),
    )
    assert answer == Matrix(
        (
            Series("web-a", (("code", "200"), ("le", "0.1")), ((NOW - 10, 1.0), (NOW, 2.0))),
            Series("web-b", (("le", "+Inf"),), ((NOW, 3.0),)),
        )
    )


def test_the_label_of_the_pod_has_the_name_that_is_configured() -> None:
    body = sent("matrix", [{"metric": {"kube_pod": "a", "pod": "b"}, "values": [[NOW, "1"]]}])
    answer = series_over_time(body, SPAN, "kube_pod")
    assert answer == Matrix((Series("a", (("pod", "b"),), ((NOW, 1.0),)),))


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([], Reason.EMPTY),
        ([5], Reason.MALFORMED),
        ([{}], Reason.MALFORMED),
        ([{"metric": {}, "values": [[NOW, "1"]]}], Reason.WRONG_TYPE),
        # One that belongs to nobody spoils the others: requests would be missing from the count.
        ([counter([NOW, "1"]), {"metric": {}, "values": [[NOW, "1"]]}], Reason.WRONG_TYPE),
        ([counter([NOW, "1"], pod="")], Reason.WRONG_TYPE),
        ([{"metric": {"pod": "a"}, "histograms": [[NOW, {}]]}], Reason.WRONG_TYPE),
        ([{**counter([NOW, "1"]), "histograms": []}], Reason.WRONG_TYPE),
        ([{"metric": {"pod": "a"}}], Reason.MALFORMED),
        ([counter()], Reason.MALFORMED),
        ([counter([NOW, "1"], [NOW - 1, "2"])], Reason.MALFORMED),
        ([counter([NOW, "1"], [NOW, "2"])], Reason.MALFORMED),
        ([counter([NOW, "1"]), counter([NOW, "1"])], Reason.MALFORMED),
        ([counter([NOW, "1"], pod="\ud800")], Reason.MALFORMED),
        ([counter([NOW - 1, "1"], [NOW, "NaN"])], Reason.NOT_FINITE),
    ],
)
def test_series_that_cannot_be_counted_are_refused(series: list[Any], expected: Reason) -> None:
    assert reason(span(*series)) is expected


@pytest.mark.parametrize(
    ("step_seconds", "behind_seconds", "expected"),
    [(10, 69, None), (10, 70, Reason.STALE), (300, 599, None), (300, 600, Reason.STALE)],
)
def test_series_that_end_long_before_the_span_are_stale(
    step_seconds: float, behind_seconds: float, expected: Reason | None
) -> None:
    asked = Span(END - timedelta(hours=1), END, step_seconds)
    gone = counter([NOW - 1800, "1"], pod="gone")
    alive = counter([NOW - behind_seconds, "1"])
    answer = series_over_time(sent("matrix", [gone, alive]), asked, "pod")
    assert reason(answer) is expected


# --- anything


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)
# Half of what is made is nearly right, or the reader would never be entered.
NUMBERS = st.sampled_from(["1", "NaN", "+Inf", "1e999", "x"]) | st.floats().map(str)
SAMPLES = st.tuples(st.floats(0, 1e11) | JSON, NUMBERS | JSON).map(list)
METRICS = st.dictionaries(st.sampled_from(["pod", "le"]), st.sampled_from(["a", "b"]) | JSON)
SERIES = st.fixed_dictionaries(
    {},
    optional={
        "metric": METRICS,
        "value": SAMPLES,
        "values": st.lists(SAMPLES, max_size=3),
        "histogram": JSON,
        "histograms": JSON,
    },
)
ANSWERS = st.fixed_dictionaries(
    {"status": st.sampled_from(["success"]) | JSON},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "resultType": st.sampled_from(["vector", "scalar", "matrix", "string"]) | JSON,
                "result": st.lists(SERIES | JSON, max_size=3) | SAMPLES | JSON,
            },
        )
        | JSON,
        "warnings": st.lists(st.text(), max_size=1) | JSON,
        "errorType": JSON,
        "error": JSON,
    },
)


def read_anyhow(body: bytes) -> None:
    value = one_value(body, NOW)
    assert isinstance(value, Known | Unknown)
    if isinstance(value, Known):
        assert math.isfinite(value.value)
    matrix = series_over_time(body, SPAN, "pod")
    assert isinstance(matrix, Matrix | Unknown)
    if isinstance(matrix, Matrix):
        assert matrix.series
        for one_series in matrix.series:
            assert one_series.pod
            instants = [at for at, _ in one_series.samples]
            assert instants == sorted(set(instants))
            assert all(math.isfinite(number) for sample in one_series.samples for number in sample)
    kind, text = error_of(body)
    assert isinstance(kind, str)
    assert isinstance(text, str)


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
def test_any_bytes_have_an_answer(body: bytes) -> None:
    read_anyhow(body)


@given(JSON | ANSWERS)
def test_any_json_has_an_answer(answer: Any) -> None:
    read_anyhow(json.dumps(answer).encode("utf-8", "replace"))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1e9), st.floats(0, 1e15))))
def test_what_was_sent_is_what_is_read(sent_samples: list[tuple[str, float, float]]) -> None:
    per_pod: dict[str, dict[float, float]] = {}
    for pod, before_end, value in sent_samples:
        per_pod.setdefault(pod, {})[NOW - before_end] = value
    series = {pod: tuple(sorted(samples.items())) for pod, samples in per_pod.items()}
    answer = span(
        *(
            counter(*([at, repr(value)] for at, value in samples), pod=pod)
            for pod, samples in series.items()
        )
    )
    if isinstance(answer, Unknown):
        assert answer.reason is (Reason.STALE if series else Reason.EMPTY)
        return
    assert isinstance(answer, Matrix)
    assert {one_series.pod: one_series.samples for one_series in answer.series} == series
