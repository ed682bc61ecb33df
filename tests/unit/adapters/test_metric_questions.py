"""What is sent for a query; nothing that a user writes can widen what is counted."""

from datetime import UTC, datetime, timedelta

import pytest

from sluice.adapters.metric_sources.questions import Question, question_of
from sluice.api.config import Labels
from sluice.core.plan import Query, Span
from sluice.core.readings import Reason, Unknown

END = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=10), END, 0.5)

DEFAULT = Labels()


def over_span(text: str, labels: Labels = DEFAULT, pods: str = "web-1-.*") -> Question | Unknown:
    return question_of(Query("m", text, SPAN, "shop", pods), labels)


def test_an_instant_query_is_sent_as_it_is_and_without_a_time() -> None:
    question = question_of(Query("m", " sum(up) > 0 "), Labels())
    assert isinstance(question, Question)
    assert (question.path, question.form) == ("/api/v1/query", {"query": " sum(up) > 0 "})


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("m", 'm{namespace="shop",pod=~"web-1-.*"}'),
        ("m{}", 'm{namespace="shop",pod=~"web-1-.*"}'),
        ('m{code=~"5..",}', 'm{code=~"5..",namespace="shop",pod=~"web-1-.*"}'),
        ("{'a.b'}", '{\'a.b\',namespace="shop",pod=~"web-1-.*"}'),
    ],
)
def test_a_selector_gets_namespace_and_pods(text: str, query: str) -> None:
    question = over_span(text)
    assert isinstance(question, Question)
    assert (question.path, question.form["query"]) == ("/api/v1/query_range", query)
    start, end = (question.form[name] for name in ("start", "end"))
    assert (start, end) == ("1767268790.250", "1767268800.250")
    assert question.form["step"] == "0.500"


def test_the_labels_have_the_names_that_are_configured() -> None:
    question = over_span("m", Labels(pod="kube_pod", namespace="kube_ns"))
    assert isinstance(question, Question)
    assert question.form["query"] == 'm{kube_ns="shop",kube_pod=~"web-1-.*"}'


def test_what_is_added_is_quoted() -> None:
    question = over_span("m", pods='a"} or up{b\\.c\n')
    assert isinstance(question, Question)
    assert question.form["query"] == 'm{namespace="shop",pod=~"a\\"} or up{b\\\\.c\\n"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m[5m]",
        "m offset 5m",
        "m @ 0",
        "m or up",
        "m{} or up",
        "sum(m)",
        'm{a="b"} or up{c="d"}',
        'm{a="b"}} or up{{',
        'm{a="b\\"} or up{c="d"}',
        "m # comment",
        'm{a="b"} # comment',
        'm{a="\n"}',
        "m{a=b}",
        "{}",
    ],
)
def test_what_is_more_than_a_selector_is_a_bad_query(text: str) -> None:
    expected = "this is no vector selector such as requests_total{}"
    assert over_span(text) == Unknown(Reason.BAD_QUERY, expected)


@pytest.mark.parametrize(
    "matcher", ['kube_pod=~".*"', '"kube_pod"!=""', "'kube_pod'=''", '`kube_pod`!~"x"']
)
def test_a_selector_may_not_say_which_pods(matcher: str) -> None:
    sentence = 'the selector names the label "kube_pod", which Sluice adds itself: remove it'
    answer = over_span(f'm{{a="b",{matcher}}}', Labels(pod="kube_pod"))
    assert answer == Unknown(Reason.BAD_QUERY, sentence)
