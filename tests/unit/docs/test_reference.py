"""The reference has every field of the models, with what is allowed in it."""

from __future__ import annotations

import re

from docs.generate import reference

from sluice.api import rules, scaling_rules
from sluice.api.config import Source
from sluice.api.models import Metric, RolloutSpec
from sluice.api.status import RolloutStatus

from .pages import rows

# What a refusal says may hold details; the reference has the sentence without them.
UNSAID = {
    rules.METRICS_UNIQUE,
    scaling_rules.SCALING_METRICS_UNIQUE,
    scaling_rules.SCHEDULES_UNIQUE,
}


def fields(text: str) -> dict[str, list[str]]:
    """The cells of each row by its first one."""
    return {row[0].strip("`"): row[1:] for row in rows(text)}


def wire_names(model: type[RolloutSpec | RolloutStatus | Metric]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_every_field_at_the_top_is_there() -> None:
    spec, status = fields(reference.spec_fields()), fields(reference.status_fields())
    assert {f"spec.{name}" for name in wire_names(RolloutSpec)} <= spec.keys()
    assert {f"status.{name}" for name in wire_names(RolloutStatus)} <= status.keys()


def test_a_field_deep_inside_is_there_with_type_default_and_bounds() -> None:
    spec = fields(reference.spec_fields())
    inside = {f"spec.canary.analysis.metrics[].{name}" for name in wire_names(Metric)}
    assert inside <= spec.keys()
    kind, default, allowed, _ = spec["spec.canary.analysis.metrics[].failureLimit"]
    assert (kind, default, allowed) == ("integer", "`0`", "at least 0; at most 1000")
    assert spec["spec.scaling.metrics[].target.value"][:2] == ["quantity", ""]
    assert spec["spec.canary.progressDeadline"][:2] == ["duration", '`"10m"`']
    assert spec["spec.canary.analysis.metrics[].max"][0] == "number"
    assert spec["spec.targetRef.name"][1] == "required"
    assert "`Required` `NotRequired`" in spec["spec.canary.steps[].approval"][2]
    assert "each `name` once" in spec["spec.canary.analysis.metrics"][2]


def test_every_rule_is_there_with_its_sentence() -> None:
    text = reference.spec_rules()
    named = [*vars(rules).values(), *vars(scaling_rules).values()]
    every = {rule for rule in named if isinstance(rule, rules.Rule)} - UNSAID
    assert len(every) > 10
    for rule in every:
        assert f"| {rule.sentence} |" in text, rule
        assert f"`{rule.cel}`".replace("|", "\\|") in text, rule


def test_the_configuration_says_what_is_no_bound_of_the_allowed() -> None:
    found = fields(reference.configuration_fields())
    named = {field.alias or name for name, field in Source.model_fields.items()}
    assert {f"sources.<name>.{name}" for name in named} <= found.keys()
    assert found["sources.<name>.timeoutSeconds"][2].startswith("more than 0; at most 60")


def test_nothing_is_taken_for_html() -> None:
    """A sentence in angle brackets would vanish from the page."""
    text = re.sub("`[^`]*`", "", reference.status_fields() + reference.spec_fields())
    assert "<" not in text
