"""The selectors that stand in a query."""

from __future__ import annotations

import pytest

from sluice.core.checking.promql import selectors_in


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("up", [("up{}", None)]),
        ("vector(1)", []),
        ("sum(rate(a[5m]))", [("a{}", 300)]),
        ('sum by (pod) (rate(a{b="c"}[1m30s]))', [('a{b="c"}', 90)]),
        ("sum(a) without (pod)", [("a{}", None)]),
        ("a / on(pod) group_left(version) b", [("a{}", None), ("b{}", None)]),
        ("a unless b", [("a{}", None), ("b{}", None)]),
        ("a > bool 0.5e3", [("a{}", None)]),
        ("a + a", [("a{}", None)]),
        ("rate(a[1m]) / rate(a[5m])", [("a{}", 60), ("a{}", 300)]),
        ('{__name__="a",b="c"}', [('{__name__="a",b="c"}', None)]),
        ('a{b="}[5m]"}', [('a{b="}[5m]"}', None)]),
        ('label_replace(a, "b", "$1", "c", "(.*)")', [("a{}", None)]),
        ("a offset 5m", [("a{}", None)]),
        ("max_over_time(rate(a[1m])[10m:1m])", [("a{}", 60)]),
        ("a # of b\n", [("a{}", None)]),
        ("a:b:rate5m", [("a:b:rate5m{}", None)]),
        ("Inf", []),
        ("rate(a[1.5h])", [("a{}", None)]),
        ("not PromQL at all {", [("not{}", None), ("PromQL{}", None)]),
        ("", []),
    ],
)
def test_selectors_in_a_query(query: str, found: list[tuple[str, float | None]]) -> None:
    seen = [(each.selector.text({}), each.range_seconds) for each in selectors_in(query)]

    assert seen[: len(found)] == found
    if "not" not in query:
        assert seen == found
