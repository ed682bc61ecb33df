"""Placeholders in PromQL, and the expressions for pods."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.placeholders import fill, names_expression, pod_prefix, pods_expression

RANDOM = "bcdfghjklmnpqrstvwxz2456789"

# Few letters, so that names often contain each other; up to 63 characters of each kind.
names = st.builds(
    "{}{}{}".format, st.sampled_from("ab"), st.text("ab-.", max_size=61), st.sampled_from("ab")
) | st.builds(
    lambda letter, n, end: letter * n + end,
    st.just("n"),
    st.integers(54, 60),
    st.sampled_from(["a", "-a", "-b"]),
)
suffixes = st.text(alphabet=RANDOM, min_size=5, max_size=5)


def generated(replica_set: str, suffix: str) -> str:
    """As names.SimpleNameGenerator of k8s.io/apiserver makes the name of a pod."""
    base = f"{replica_set}-"
    return (base if len(base) <= 58 else base[:58]) + suffix


def matches(expression: str, name: str) -> bool:
    """PromQL anchors its expressions at both ends."""
    return re.fullmatch(expression, name) is not None


def test_every_placeholder_is_filled() -> None:
    query = 'a{ns="{{namespace}}",d="{{name}}",p=~"{{canary}}|{{stable}}|{{pods}}"}'
    values = {"namespace": "shop", "name": "web", "canary": "c", "stable": "s", "pods": "p"}
    assert fill(query, values) == 'a{ns="shop",d="web",p=~"c|s|p"}'


def test_a_placeholder_is_filled_wherever_it_stands() -> None:
    assert fill("{{name}}-{{name}}", {"name": "web"}) == "web-web"


@pytest.mark.parametrize("query", ["{{other}}", "{{ name }}", "{name}", "x{a=~'b{2}'}", "{{}}"])
def test_what_is_no_placeholder_is_left_alone(query: str) -> None:
    assert fill(query, {"name": "web"}) == query


def test_what_was_filled_in_is_not_filled_again() -> None:
    assert fill("{{name}}", {"name": "{{namespace}}", "namespace": "shop"}) == "{{namespace}}"


@settings(deadline=None)
@given(names, suffixes)
def test_the_pods_of_a_replica_set_are_found(replica_set: str, suffix: str) -> None:
    assert matches(pods_expression(replica_set), generated(replica_set, suffix))


@settings(deadline=None)
@given(names, names, suffixes)
def test_no_pod_of_another_replica_set_is_found(one: str, other: str, suffix: str) -> None:
    expected = pod_prefix(one) == pod_prefix(other)
    assert matches(pods_expression(one), generated(other, suffix)) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-abcde", "web-abcde-fghij"),
        ("web-abcde", "web-abcde2"),
        ("web-abcde", "my-web-abcde"),
        ("web", "web-5d8f7"),
        ("a.b", "a-b"),
        ("a.b", "axb"),
        ("web-1", "web-11"),
    ],
)
def test_names_that_contain_each_other_are_told_apart(one: str, other: str) -> None:
    for mine, theirs in ((one, other), (other, one)):
        assert matches(pods_expression(mine), generated(mine, "x2k4w"))
        assert not matches(pods_expression(mine), generated(theirs, "x2k4w"))


@pytest.mark.parametrize("length", [56, 57, 58, 63, 74])
def test_a_long_name_is_cut_as_its_pods_names_are(length: int) -> None:
    name = "n" * length
    assert len(pod_prefix(name)) == min(58, length + 1)
    assert matches(pods_expression(name), generated(name, "x2k4w"))


def test_names_that_differ_only_behind_the_cut_look_alike() -> None:
    assert pod_prefix("n" * 58 + "-abcde") == pod_prefix("n" * 58 + "-fghij")
    assert pod_prefix("n" * 55 + "-abcde") != pod_prefix("n" * 55 + "-fghij")


@settings(deadline=None)
@given(st.sets(names, max_size=4), names)
def test_an_expression_of_names_finds_just_these(pods: set[str], other: str) -> None:
    expression = names_expression(pods)
    assert all(matches(expression, name) for name in pods)
    assert matches(expression, other) is (other in pods or (not pods and other == "none-yet"))
    assert expression == names_expression(sorted(pods, reverse=True))


@settings(deadline=None)
@given(names)
def test_an_expression_needs_no_escape_inside_of_quotes(replica_set: str) -> None:
    assert not {"\\", '"', "'", "`"} & set(pods_expression(replica_set))
