"""What prometheus-adapter's rules say of a metric's query, and what they leave open."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sluice.cli.moving.adapter import Adapter, Asked, read

BY_NAMESPACE = {"overrides": {"ns": {"resource": "namespace"}, "p": {"resource": "pods"}}}
SUM = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"


def rule(series: str = "jobs", query: str = SUM, **more: Any) -> dict[str, Any]:
    return {"seriesQuery": series, "metricsQuery": query, "resources": BY_NAMESPACE, **more}


def external(*rules: dict[str, Any], metric: str = "jobs", selector: Any = None) -> Asked:
    return Adapter({"externalRules": list(rules)}).external(metric, selector or {})


def series_of(series: str, metric: str, **more: Any) -> str:
    return external(rule(series, "<<.Series>>", **more), metric=metric).query


@pytest.mark.parametrize(
    ("series", "name", "metric", "found"),
    [
        ("jobs", {}, "jobs", "jobs"),
        ('jobs{a="b"}', {}, "jobs", "jobs"),
        ('{__name__="jobs",a="b"}', {}, "jobs", "jobs"),
        ("jobs", {}, "others", ""),
        ("jobs", {"as": "work"}, "work", "jobs"),
        ("jobs", {"as": "work"}, "jobs", ""),
        ("jobs_total", {"matches": "^(.*)_total$"}, "jobs", "jobs_total"),
        ("jobs_total", {"matches": "(.*)_total", "as": "${1}_rate"}, "jobs_rate", "jobs_total"),
        ("jobs_total", {"matches": "^(?P<x>.*)_total$", "as": "$x"}, "jobs", "jobs_total"),
        # As Go reads it: the group `1_rate`, which is not there.
        ("jobs_total", {"matches": "^(.*)_total$", "as": "$1_rate"}, "jobs_rate", ""),
        ("jobs_total", {"matches": "^(.*)_count$", "as": "jobs"}, "jobs", ""),
        ('{__name__=~"^jobs_.*"}', {}, "jobs_done", "jobs_done"),
        ('{__name__=~"jobs"}', {}, "jobs_done", ""),
        ('{__name__!~"jobs_.*"}', {}, "jobs_done", ""),
        ('{__name__!="jobs"}', {}, "jobs_done", "jobs_done"),
        ('{__name__=~"a_.*"}', {"matches": "^a_(.*)$"}, "jobs", "a_jobs"),
        ('{__name__=~".*"}', {"matches": "^(.*)_total", "as": "${1}_s"}, "jobs_s", "jobs_total"),
        ('{__name__=~".*"}', {"matches": "^(a|b)_(.*)$", "as": "$2"}, "jobs", ""),
        ('{__name__=~".*"}', {"as": "fixed"}, "fixed", ""),
        ('{__name__=~"("}', {}, "jobs", ""),
        ("jobs", {"matches": "("}, "jobs", ""),
    ],
)
def test_the_series_of_a_metric(series: str, name: dict[str, str], metric: str, found: str) -> None:
    assert series_of(series, metric, name=name) == (f"sum({found})" if found else "")


@pytest.mark.parametrize(
    ("filters", "found"),
    [([{"is": "^job"}], "sum(jobs)"), ([{"isNot": "s$"}], ""), ([{"is": "x"}, {"isNot": "y"}], "")],
)
def test_filters_of_series(filters: list[dict[str, str]], found: str) -> None:
    assert series_of('{__name__=~".*"}', "jobs", seriesFilters=filters) == found


@pytest.mark.parametrize(
    ("template", "query"),
    [
        (SUM, 'sum(jobs{ns="{{namespace}}"})'),
        ("max(<< .Series >>{<<.LabelMatchers>>})", 'sum(max(jobs{ns="{{namespace}}"}))'),
        ("sum(a) / sum(<<.Series>>)", "sum(sum(a) / sum(jobs))"),
        ("sum(rate(<<.Series>>[1m]))", "sum(rate(jobs[1m]))"),
        ("sum(<<.Series>>) by (q)", "sum(sum(jobs) by (q))"),
        ("<<.Series>>{<<index .LabelValuesByName 0>>}", ""),
        ("sum(<<.GroupBySlice>>)", ""),
        ("", ""),
    ],
)
def test_the_query_of_an_external_metric_is_one_value(template: str, query: str) -> None:
    """The autoscaler adds up what the adapter gives."""
    assert external(rule(query=template)).query == query


def test_a_selector_becomes_matchers() -> None:
    selector: dict[str, Any] = {
        "matchLabels": {"a": 'say "x"'},
        "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["x", "y"]},
            {"key": "c", "operator": "NotIn", "values": ["x"]},
            {"key": "d", "operator": "Exists"},
            {"key": "e", "operator": "DoesNotExist"},
            {"key": "f", "operator": "NotIn", "values": ["x", "y"]},
        ],
    }
    asked = external(rule(query="sum(<<.LabelMatchers>>)"), selector=selector)
    assert asked.query == (
        'sum(ns="{{namespace}}",a="say \\"x\\"",b=~"x|y",c!="x",d!="",e="",f!~"x|y")'
    )


def test_a_metric_of_no_namespace() -> None:
    everywhere = {"resources": {"namespaced": False}}
    assert external(rule() | everywhere).query == "sum(jobs{})"


def test_where_nothing_says_which_label_is_the_namespace_there_is_no_query() -> None:
    assert external(rule() | {"resources": {}}).query == ""
    assert external(rule() | {"resources": {"template": "x_<<.Group>>"}}).query == ""


def test_pods_are_the_rollouts_own() -> None:
    found = Adapter({"rules": [rule()]}).pods("jobs", {})
    assert found.query == 'sum(sum(jobs{ns="{{namespace}}",p=~"{{pods}}"}) by (p))'


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("Service", 'sum(jobs{k_namespace="{{namespace}}",k_service="main"}) by (k_service)'),
        ("Namespace", 'sum(jobs{k_namespace="main"}) by (k_namespace)'),
    ],
)
def test_another_object_is_found_by_its_label(kind: str, query: str) -> None:
    template = {"resources": {"template": "k_<<.Resource>>"}}
    assert (
        Adapter({"rules": [rule() | template]}).described("jobs", {}, kind, "main").query == query
    )


def test_an_object_without_a_label_has_no_query() -> None:
    assert Adapter({"rules": [rule()]}).described("jobs", {}, "Ingress", "main").query == ""


def test_where_several_rules_may_be_meant_all_are_named() -> None:
    asked = external(rule('{__name__=~".*"}', "sum(a)"), rule('{__name__=~"jo.*"}', "sum(b)"))
    assert asked == Asked(why_not="by the adapter's configuration it may be sum(a) or sum(b)")


def test_a_rule_that_names_the_series_goes_before_one_that_may_mean_it() -> None:
    assert external(rule('{__name__=~".*"}', "sum(a)"), rule("jobs", "sum(b)")).query == "sum(b)"


def test_rules_that_say_the_same_are_one() -> None:
    assert external(rule(), rule()).query == 'sum(jobs{ns="{{namespace}}"})'


def test_no_rule_is_no_query() -> None:
    assert external().why_not == "no rule of the adapter's configuration tells its query"


def test_the_configuration_may_stand_in_its_config_map() -> None:
    config = {"externalRules": [rule()]}
    data = {"other.yaml": "a: b", "config.yaml": yaml.safe_dump(config)}
    for text in (config, {"kind": "ConfigMap", "data": data}):
        assert read(yaml.safe_dump(text)).external("jobs", {}).query
