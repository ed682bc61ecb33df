"""The rules that relate values of a Rollout, each with the sentence that a user reads.

A rule is written once: as CEL for the CRD, so that `kubectl apply` refuses a bad object, beside
the sentence that the models use for objects stored before the rule existed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticCustomError

from sluice.api.durations import PATTERN
from sluice.core import selectors

MAX_WEIGHT: Final = 99
MAX_QUERY_LENGTH: Final = 4096
MAX_SELECTOR_LENGTH: Final = 1024
MAX_QUERIES_LENGTH: Final = 10_000
NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
NUMBER_PATTERN: Final = "^-?[0-9]+([.][0-9]+)?$"
PLACEHOLDERS: Final = ("{{namespace}}", "{{name}}", "{{canary}}", "{{stable}}", "{{pods}}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL expression that is true for a good value, and what to write instead of a bad one.

    `sentence_cel` is an expression that gives a sentence with the value's details in it; the API
    server falls back on `sentence`.
    """

    cel: str
    sentence: str
    sentence_cel: str = ""
    field_path: str = ""

    def require(self, holds: bool, sentence: str = "") -> None:  # noqa: FBT001
        """Refuses the value that a model is validating unless the rule holds."""
        if not holds:
            raise PydanticCustomError("rule", "{sentence}", {"sentence": sentence or self.sentence})

    def wire(self) -> dict[str, str]:
        """The rule as an item of x-kubernetes-validations."""
        item = {
            "rule": self.cel,
            "message": self.sentence,
            "messageExpression": self.sentence_cel,
            "fieldPath": self.field_path,
        }
        return {key: text for key, text in item.items() if text}


def validations(*rules: Rule) -> dict[str, Any]:
    """The rules as schema keys, for a field's or a model's json_schema_extra."""
    return {"x-kubernetes-validations": [rule.wire() for rule in rules]}


def _matches(pattern: str) -> str:
    """A CEL expression; raw and in three quotes, because the patterns have both kinds of quotes."""
    return f'self.matches(r"""{pattern}""")'


# An integer has no unit. It is let through to the rule because the schema's own message,
# "must be of type string", would not say what to write.
_IS_DURATION: Final = f"type(self) == string && self.matches('{PATTERN}')"
DURATION: Final = Rule(_IS_DURATION, "write a duration such as 30s, 5m or 1h30m")
# Guarded: where the text is no duration at all, one sentence is enough.
POSITIVE: Final = Rule(
    f"!({_IS_DURATION}) || duration(self) > duration('0s')",
    "write a duration greater than zero, such as 30s",
)
INTERVAL: Final = Rule(
    f"!({_IS_DURATION}) || (duration(self) >= duration('1s') && duration(self) <= duration('10m'))",
    "write an interval from 1s to 10m",
)
WEIGHT: Final = Rule(
    f"self >= 1 && self <= {MAX_WEIGHT}",
    f"a weight is a percentage: write 1 to {MAX_WEIGHT} (after the last step come all pods)",
)
STEPS_GIVEN: Final = Rule(
    "self.size() > 0",
    "write at least one step, or leave steps out: then they are 10 for 2m and 50 for 3m",
)
ASCENDING: Final = Rule(
    "self.all(i, s, i == 0 || self[i - 1].weight < s.weight)",
    "step weights must rise: write each weight greater than the one before it, such as 10, 25, 50",
)
TARGET_NAME: Final = Rule(
    f"self.matches('{SUBDOMAIN_PATTERN}')",
    "write the name of a Deployment: lower case letters, digits, '-' and '.'",
)
TARGET_FIXED: Final = Rule(
    "self == oldSelf",
    "targetRef is immutable: delete this Rollout and create one for the other Deployment",
)
SOURCE: Final = Rule(
    f"self.matches('{NAME_PATTERN}')",
    "write the name that a metric source has in the operator's configuration, such as default",
)
METRIC_NAME: Final = Rule(
    f"self.matches('{NAME_PATTERN}')",
    "write a name of lower case letters, digits and '-', such as error-ratio",
)
NUMBER: Final = Rule(
    f"type(self) == int || self.matches('{NUMBER_PATTERN}')",
    'write a decimal number such as 5 or "0.05"',
)
_ADVICE: Final = f"write one of {', '.join(PLACEHOLDERS)}, without spaces"
_WITHOUT_PLACEHOLDERS: Final = "self" + "".join(f".replace('{p}', 'x')" for p in PLACEHOLDERS)
PLACEHOLDER: Final = Rule(
    f"!{_WITHOUT_PLACEHOLDERS}.contains('{{{{')",
    f"unknown placeholder: {_ADVICE}",
    f"'unknown placeholder %s: {_ADVICE}'.format([{_WITHOUT_PLACEHOLDERS}"
    ".find('[{][{][^{}]{0,30}[}]{0,2}')])",
)


def unknown_placeholder(query: str) -> str:
    """What looks like a placeholder in the query and is none; empty when nothing does."""
    for placeholder in PLACEHOLDERS:
        query = query.replace(placeholder, "x")
    found = re.search("[{][{][^{}]{0,30}[}]{0,2}", query)
    return found[0] if found else ""


_COMPARES: Final = "(has(self.counters) || has(self.histogram))"
ONE_FORM: Final = Rule(
    "(has(self.counters) ? 1 : 0) + (has(self.histogram) ? 1 : 0) + (has(self.query) ? 1 : 0) == 1",
    "write exactly one of counters, histogram and query",
)
RANGE_GIVEN: Final = Rule(
    "!has(self.query) || has(self.min) || has(self.max)",
    "write min, max or both: the range in which the query's value is good",
)
NOT_OF_COMPARISONS: Final = Rule(
    f"!{_COMPARES} || (!has(self.min) && (!has(self.failureLimit) || self.failureLimit == 0))",
    "min and failureLimit belong to a query: remove them, the canary is compared with the stable "
    "version",
)
MAX_NOT_OF_HISTOGRAMS: Final = Rule(
    "!has(self.histogram) || !has(self.max)",
    "max belongs to counters or a query: remove it, the canary is compared with the stable version",
)
TOLERANCE_OF_COMPARISONS: Final = Rule(
    "!has(self.query) || !has(self.tolerance)",
    "tolerance belongs to counters and histogram: remove it, or compare instead of querying",
)
# Guarded: a text that is no number has its own sentence.
_IS_NUMBER: Final = f"(type({{0}}) == int || {{0}}.matches('{NUMBER_PATTERN}'))"
RANGE_ORDERED: Final = Rule(
    "!has(self.min) || !has(self.max)"
    f" || !{_IS_NUMBER.replace('{0}', 'self.min')} || !{_IS_NUMBER.replace('{0}', 'self.max')}"
    " || double(self.min) <= double(self.max)",
    "min must not be greater than max: swap them or widen the range",
    field_path=".min",
)
RATIO_MAX: Final = Rule(
    f"!has(self.counters) || !has(self.max) || !{_IS_NUMBER.replace('{0}', 'self.max')}"
    " || (double(self.max) > 0.0 && double(self.max) < 0.99)",
    'max of counters is a ratio: write a decimal above 0 and below 0.99, such as "0.05"',
    field_path=".max",
)
_IS_OWN_NUMBER: Final = _IS_NUMBER.replace("{0}", "self")
TOLERANCE: Final = Rule(
    f"!{_IS_OWN_NUMBER} || double(self) >= 1.0",
    'write how many times the stable ratio is accepted, at least 1, such as "1.5"',
)
CONFIDENCE: Final = Rule(
    f"!{_IS_OWN_NUMBER} || (double(self) >= 0.5 && double(self) < 1.0)",
    'write a decimal of at least 0.5 and below 1, such as "0.99"',
)
SELECTOR: Final = Rule(
    _matches(selectors.PATTERN),
    "write a selector: a metric's name with label matchers if need be, such as "
    'http_requests_total{code=~"5.."}, without range, offset or function',
)
OWN_LABELS: Final = Rule(
    f"!{_matches(selectors.OWN_LABEL_PATTERN)}",
    "leave the labels namespace and pod out: they are added for each side",
)
HISTOGRAM: Final = Rule(
    _matches(selectors.HISTOGRAM_PATTERN),
    "write a histogram's name with label matchers if need be, such as "
    'http_request_duration_seconds{job="web"}',
)
HISTOGRAM_SUFFIX: Final = Rule(
    f"!{_matches(selectors.SUFFIX_PATTERN)}",
    "write the histogram's name without _bucket, _sum or _count",
)
QUERIES_LENGTH: Final = Rule(
    "self.map(m, has(m.query) ? size(m.query) : 0).sum()"
    " + self.map(m, has(m.counters) && has(m.counters.bad) ? size(m.counters.bad) : 0).sum()"
    " + self.map(m, has(m.counters) && has(m.counters.total) ? size(m.counters.total) : 0).sum()"
    f" + self.map(m, has(m.histogram) ? size(m.histogram) : 0).sum() <= {MAX_QUERIES_LENGTH}",
    f"the queries are too long: all together may have {MAX_QUERIES_LENGTH} characters; "
    "write the long ones as recording rules of Prometheus",
)
# Without CEL: the list is a map by name, so the API server refuses duplicates by itself.
METRICS_UNIQUE: Final = Rule("", "metric names must be unique: rename one of them")
