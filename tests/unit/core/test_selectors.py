"""Vector selectors: what is one, what is none, and what is added to them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core import selectors
from sluice.core.selectors import Selector, parse, quoted

GOOD = {
    "http_requests_total": "http_requests_total{pod=~\"x\"}",
    "http_requests_total{}": "http_requests_total{pod=~\"x\"}",
    " a:b_C9 { } ": "a:b_C9{pod=~\"x\"}",
    'a{code="500"}': 'a{code="500",pod=~"x"}',
    'a{code!="500",m!~"GET|PUT",}': 'a{code!="500",m!~"GET|PUT",pod=~"x"}',
    "a { code =~ '5..' , m = `x` }": "a{code=~'5..',m=`x`,pod=~\"x\"}",
    'a{path="/a{b},c\\"d"}': 'a{path="/a{b},c\\"d",pod=~"x"}',
    "a{path=`}`,b=\"}\"}": "a{path=`}`,b=\"}\",pod=~\"x\"}",
    '{__name__="a"}': '{__name__="a",pod=~"x"}',
    '{__name__=~"a|b", code="500"}': '{__name__=~"a|b",code="500",pod=~"x"}',
    '{"my.metric"}': '{"my.metric",pod=~"x"}',
    '{"my.metric", "a label"="x"}': '{"my.metric","a label"="x",pod=~"x"}',
    '{code="500", "my.metric"}': '{code="500","my.metric",pod=~"x"}',
    "a{\n  code = \"500\",\n}": 'a{code="500",pod=~"x"}',
    'a{podium="x"}': 'a{podium="x",pod=~"x"}',
    'a{path="pod=x,namespace=y"}': 'a{path="pod=x,namespace=y",pod=~"x"}',
}  # fmt: skip
BAD = (
    "", " ", "{}", "a{", "a}", 'a{code}', 'a{code=500}', 'a{code="500}', 'a{code=="x"}',
    "a[5m]", "a offset 5m", "a @ 0", "rate(a[1m])", "sum(a)", "a + b", "a or b", "1a", "a b",
    'a{code="x" m="y"}', 'a{,}', 'a{code="x",,}', 'a{code="x"}}', "a{code='x\n'}", "a # comment",
    'a{"my.metric"}', 'a{9a="x"}', "ä", '{code=~"x"}{a="b"}',
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_selector_is_taken_word_for_word_and_the_pods_are_added(text: str) -> None:
    selector = parse(text)
    assert selector is not None
    assert selector.text({"pod": '=~"x"'}) == GOOD[text]
    again = parse(GOOD[text])
    assert again is not None
    assert not re.match(selectors.OWN_LABEL_PATTERN, text)


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'a{pod="x"}', 'a{code="5",namespace=~"y"}', "a{'pod'!=\"x\"}", '{"m", "namespace"="x"}',
        'a{ \n pod =~ "x"}', '{__name__="a",pod!~`x`}', 'a{p="}{,pod",namespace="b"}',
    ],
)  # fmt: skip
def test_the_labels_that_are_added_are_not_the_users_to_write(text: str) -> None:
    selector = parse(text)
    assert selector is not None
    assert re.match(selectors.OWN_LABEL_PATTERN, text)
    assert selector.labels() & {"namespace", "pod"}


@given(st.text(max_size=30))
def test_a_value_stays_in_its_quotes_whatever_it_is(value: str) -> None:
    selector = Selector("a", (("b", "=", quoted(value)),))
    assert parse(selector.text({})) == selector


@given(st.text(alphabet="ab{}\",=~'`\\ \n", max_size=25))
def test_no_text_is_read_as_more_than_it_says(text: str) -> None:
    """What is taken is written back with the same parts, and nothing escapes its braces."""
    selector = parse(text)
    if selector is not None:
        assert parse(selector.text({"pod": '=~"x"'})) == Selector(
            selector.name, (*selector.matchers, ("pod", "=~", '"x"'))
        )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("latency", True), ('latency{job="a"}', True), ('{__name__="latency"}', False),
        ("rate(latency)", False),
    ],
)  # fmt: skip
def test_a_histogram_is_named_before_the_braces(text: str, named: bool) -> None:
    assert bool(re.match(selectors.HISTOGRAM_PATTERN, text)) is named


@pytest.mark.parametrize("text", ["a_bucket", 'a_sum{b="c"}', " a_count {}"])
def test_a_histogram_is_named_without_suffix(text: str) -> None:
    assert re.match(selectors.SUFFIX_PATTERN, text)
    assert not re.match(selectors.SUFFIX_PATTERN, "a_bucket_seconds")


def test_the_series_of_a_histogram_have_its_matchers() -> None:
    selector = parse('latency{job="a"}')
    assert selector is not None
    assert selector.suffixed("_bucket").text({}) == 'latency_bucket{job="a"}'
