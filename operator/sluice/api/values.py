"""The values of a Rollout's spec: what each kind of them must be, in Python and in the schema."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from sluice.api import rules
from sluice.api.durations import MAX_LENGTH, is_duration, parse_seconds
from sluice.api.rules import Rule, validations
from sluice.core import selectors

MAX_NUMBER_LENGTH: Final = 32


def check_duration(value: Any) -> Any:
    """The value, refused with the sentence of its rule."""
    rules.DURATION.require(isinstance(value, str) and is_duration(value))
    return value


def check_positive(text: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.POSITIVE.require(parse_seconds(text) > 0)
    return text


def check_interval(text: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.INTERVAL.require(1 <= parse_seconds(text) <= 600)
    return text


def check_weight(weight: int) -> int:
    """The value, refused with the sentence of its rule."""
    rules.WEIGHT.require(1 <= weight <= rules.MAX_WEIGHT)
    return weight


def check_number(value: Any) -> Any:
    """The value, refused with the sentence of its rule."""
    is_int = type(value) is int and -(2**63) <= value < 2**63
    is_decimal = (
        isinstance(value, str)
        and len(value) <= MAX_NUMBER_LENGTH
        and re.fullmatch(rules.NUMBER_PATTERN, value) is not None
    )
    rules.NUMBER.require(is_int or is_decimal)
    return value


def check_target_name(name: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.TARGET_NAME.require(re.fullmatch(rules.SUBDOMAIN_PATTERN, name) is not None)
    return name


def check_metric_name(name: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.METRIC_NAME.require(re.fullmatch(rules.NAME_PATTERN, name) is not None)
    return name


def check_source(name: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.SOURCE.require(re.fullmatch(rules.NAME_PATTERN, name) is not None)
    return name


def check_at_least_1(value: int | str) -> int | str:
    """The value, refused with the sentence of its rule."""
    rules.TOLERANCE.require(float(value) >= 1)
    return value


def check_confidence(value: int | str) -> int | str:
    """The value, refused with the sentence of its rule."""
    rules.CONFIDENCE.require(0.5 <= float(value) < 1)
    return value


def check_selector(text: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.SELECTOR.require(re.match(selectors.PATTERN, text) is not None)
    rules.OWN_LABELS.require(re.match(selectors.OWN_LABEL_PATTERN, text) is None)
    return text


def check_histogram(text: str) -> str:
    """The value, refused with the sentence of its rule."""
    rules.HISTOGRAM.require(re.match(selectors.HISTOGRAM_PATTERN, text) is not None)
    rules.HISTOGRAM_SUFFIX.require(re.match(selectors.SUFFIX_PATTERN, text) is None)
    rules.OWN_LABELS.require(re.match(selectors.OWN_LABEL_PATTERN, text) is None)
    return text


def check_query(query: str) -> str:
    """The value, refused with the sentence of its rule."""
    unknown = rules.unknown_placeholder(query)
    rules.PLACEHOLDER.require(
        not unknown, rules.PLACEHOLDER.sentence.replace("placeholder", f"placeholder {unknown}", 1)
    )
    return query


def int_or_string(max_length: int, *about: Rule) -> WithJsonSchema:
    """Int-or-string: a bare number reaches the rules, whose sentence says what to write."""
    bounds = {"x-kubernetes-int-or-string": True, "maxLength": max_length}
    return WithJsonSchema(bounds | validations(*about))


Duration = Annotated[
    str, BeforeValidator(check_duration), int_or_string(MAX_LENGTH, rules.DURATION)
]
PositiveDuration = Annotated[
    str,
    BeforeValidator(check_duration),
    AfterValidator(check_positive),
    int_or_string(MAX_LENGTH, rules.DURATION, rules.POSITIVE),
]
IntervalDuration = Annotated[
    str,
    BeforeValidator(check_duration),
    AfterValidator(check_interval),
    int_or_string(MAX_LENGTH, rules.DURATION, rules.INTERVAL),
]
Number = Annotated[
    int | str, BeforeValidator(check_number), int_or_string(MAX_NUMBER_LENGTH, rules.NUMBER)
]
Tolerance = Annotated[
    int | str,
    BeforeValidator(check_number),
    AfterValidator(check_at_least_1),
    int_or_string(MAX_NUMBER_LENGTH, rules.NUMBER, rules.TOLERANCE),
]
Confidence = Annotated[
    int | str,
    BeforeValidator(check_number),
    AfterValidator(check_confidence),
    int_or_string(MAX_NUMBER_LENGTH, rules.NUMBER, rules.CONFIDENCE),
]
Weight = Annotated[
    int, AfterValidator(check_weight), Field(json_schema_extra=validations(rules.WEIGHT))
]
