"""When two pod templates count as the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core import templates
from sluice.core.templates import canonical_quantity, normalise, template_hash, without_hash

Template = dict[str, Any]

FACTORS = {
    "": Fraction(1),
    **{s: Fraction(1024) ** i for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{s: Fraction(1000) ** i for i, s in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{s: Fraction(1, 1000**i) for i, s in enumerate(("m", "u", "n"), 1)},
}


def pod(container: Template | None = None, **spec: Any) -> Template:
    first = {"name": "app", "image": "web:1", **(container or {})}
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": {"team": "shop"}},
        "spec": {"containers": [first], **spec},
    }


def field_ref(divisor: Any) -> Template:
    ref = {"resource": "limits.cpu", "divisor": divisor}
    return pod({"env": [{"name": "CPUS", "valueFrom": {"resourceFieldRef": ref}}]})


def claim(size: Any) -> Template:
    spec = {"resources": {"requests": {"storage": size}}}
    volume = {"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    return pod(volumes=[volume])


# Where a pod template has quantities.
PLACES: dict[str, Callable[[Any], Template]] = {
    "limits": lambda q: pod({"resources": {"limits": {"memory": q}}}),
    "requests": lambda q: pod({"resources": {"requests": {"cpu": q}}}),
    "overhead": lambda q: pod(overhead={"memory": q}),
    "sizeLimit": lambda q: pod(volumes=[{"name": "tmp", "emptyDir": {"sizeLimit": q}}]),
    "divisor": field_ref,
    "claim": claim,
}
# Where the same text is not a quantity.
ELSEWHERE: dict[str, Callable[[str], Template]] = {
    "annotation": lambda t: {**pod(), "metadata": {"annotations": {"limits": t}}},
    "label": lambda t: {**pod(), "metadata": {"labels": {"sizeLimit": t}}},
    "node selector": lambda t: pod(nodeSelector={"divisor": t}),
    "environment": lambda t: pod({"env": [{"name": "limits", "value": t}]}),
    "argument": lambda t: pod({"args": [t]}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1Gi", "1073741824"),
        ("0.5", "500m"),
        ("1", 1),
        ("1000m", "1"),
        ("1e3", "1k"),
        ("1E3", "1000"),
        ("1.5Gi", "1536Mi"),
        ("2E", "2000P"),
        ("0", "0Ki"),
        ("100000000n", "0.1"),
    ],
)
def test_two_spellings_of_a_quantity_are_one_template(place: str, one: Any, other: Any) -> None:
    assert template_hash(PLACES[place](one)) == template_hash(PLACES[place](other))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("one", "other"), [("1Gi", "1G"), ("1", "1m"), ("1M", "1Mi"), ("1", "2")])
def test_different_quantities_are_different_templates(place: str, one: str, other: str) -> None:
    assert template_hash(PLACES[place](one)) != template_hash(PLACES[place](other))


@pytest.mark.parametrize("place", ELSEWHERE)
def test_text_that_looks_like_a_quantity_is_left_alone(place: str) -> None:
    assert template_hash(ELSEWHERE[place]("1Gi")) != template_hash(ELSEWHERE[place]("1073741824"))
    assert "1Gi" in json.dumps(normalise(ELSEWHERE[place]("1Gi")))


def exact(number: int, suffix: str) -> Fraction:
    return number * FACTORS[suffix]


@settings(deadline=None)
@given(
    st.integers(-(10**6), 10**6),
    st.sampled_from(sorted(FACTORS)),
    st.integers(-(10**6), 10**6),
    st.sampled_from(sorted(FACTORS)),
)
def test_quantities_are_spelled_alike_just_when_they_are_equal(
    a: int, suffix_a: str, b: int, suffix_b: str
) -> None:
    alike = canonical_quantity(f"{a}{suffix_a}") == canonical_quantity(f"{b}{suffix_b}")
    assert alike == (exact(a, suffix_a) == exact(b, suffix_b))


@settings(deadline=None)
@given(st.integers(-(10**6), 10**6), st.sampled_from(sorted(FACTORS)))
def test_the_one_spelling_is_the_exact_number_and_stays(number: int, suffix: str) -> None:
    text = canonical_quantity(f"{number}{suffix}")
    assert Fraction(text) == exact(number, suffix)
    assert canonical_quantity(text) == text


@given(st.text(alphabet="abcxyzKiMGE .,", max_size=6).filter(lambda t: not t.strip().isdigit()))
def test_text_that_is_no_quantity_is_kept(text: str) -> None:
    assert canonical_quantity(text) == text


@pytest.mark.parametrize(
    "empty",
    [
        {"volumes": []},
        {"volumes": None},
        {"nodeSelector": {}},
        {"overhead": {}},
        {"tolerations": [], "imagePullSecrets": None},
    ],
)
def test_an_empty_list_or_map_is_the_same_as_none(empty: Template) -> None:
    assert template_hash(pod(**empty)) == template_hash(pod())


@pytest.mark.parametrize(
    "empty",
    [
        {"resources": {}},
        {"resources": {"limits": {}, "requests": None}},
        {"env": []},
        {"ports": None},
    ],
)
def test_an_empty_field_of_a_container_is_the_same_as_none(empty: Template) -> None:
    assert template_hash(pod(empty)) == template_hash(pod())


def test_empty_metadata_are_the_same_as_none() -> None:
    bare = {"spec": pod()["spec"]}
    empty: tuple[Template | None, ...] = (
        {},
        None,
        {"labels": {}, "annotations": None},
        {"creationTimestamp": None},
        {"labels": {"pod-template-hash": "abcde"}},
    )
    for metadata in empty:
        assert template_hash({**bare, "metadata": metadata}) == template_hash(bare)


@pytest.mark.parametrize(
    ("pointer", "holder"),
    [
        ({"emptyDir": {}}, lambda volume: pod(volumes=[{"name": "tmp", **volume}])),
        ({"securityContext": {}}, lambda field: pod(**field)),
        ({"labelSelector": {}}, lambda field: pod(topologySpreadConstraints=[field])),
    ],
)
def test_an_empty_struct_says_something_where_it_is_a_pointer(
    pointer: Template, holder: Callable[[Template], Template]
) -> None:
    assert template_hash(holder(pointer)) != template_hash(holder({}))


def test_the_order_of_a_list_matters() -> None:
    one, other = {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}
    forth, back = {"spec": {"containers": [one, other]}}, {"spec": {"containers": [other, one]}}
    assert template_hash(forth) != template_hash(back)


@pytest.mark.parametrize(
    "changed",
    [
        pod({"image": "web:2"}),
        pod({"args": ["--quick"]}),
        pod({"env": [{"name": "A", "value": ""}]}),
        pod(terminationGracePeriodSeconds=0),
        pod(hostNetwork=False),
        {**pod(), "metadata": {"labels": {"app": "web"}, "annotations": {"team": "ops"}}},
        {**pod(), "metadata": {"labels": {"app": "web", "tier": "1"}, "annotations": {}}},
    ],
)
def test_any_real_change_is_another_template(changed: Template) -> None:
    assert template_hash(changed) != template_hash(pod())


def test_the_label_that_a_replica_set_adds_is_ignored() -> None:
    labels = {"app": "web", "pod-template-hash": "5d8f7c9b4"}
    stored = {**pod(), "metadata": {**pod()["metadata"], "labels": labels}}
    assert template_hash(stored) == template_hash(pod())
    assert without_hash(stored) == pod()
    assert labels["pod-template-hash"] == "5d8f7c9b4", "the given template is not changed"


keys_of_json = st.text(alphabet="abcdef", min_size=1, max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys_of_json, inner, max_size=3),
    max_leaves=12,
)
json_maps = st.dictionaries(keys_of_json, json_values, max_size=4)


def backwards(value: Any) -> Any:
    """The same JSON with the keys of every map in the other order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(list(value))}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(json_maps)
def test_the_hash_does_not_depend_on_the_order_of_keys(spec: Template) -> None:
    one, other = {"spec": spec, "metadata": {"labels": spec}}, {"spec": spec}
    assert template_hash(one) == template_hash(backwards(one))
    assert template_hash(other) == template_hash(backwards(other))


@settings(deadline=None)
@given(json_maps)
def test_the_hash_fits_a_label_and_the_end_of_a_name(spec: Template) -> None:
    assert re.fullmatch("[a-z0-9]{10}", template_hash({"spec": spec}))


@settings(deadline=None)
@given(json_maps)
def test_what_is_normal_stays_as_it_is(spec: Template) -> None:
    once = normalise({"spec": spec})
    assert normalise(once) == once
    assert template_hash(once) == template_hash({"spec": spec})


def test_the_hash_carries_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = template_hash(pod())
    monkeypatch.setattr(templates, "VERSION", templates.VERSION + 1)
    assert template_hash(pod()) != before


def test_the_hash_of_this_version_is_what_stored_objects_have() -> None:
    """A change of this value releases every running version again: raise VERSION knowingly."""
    assert (templates.VERSION, template_hash(pod())) == (1, "4dw2gszp6p")
