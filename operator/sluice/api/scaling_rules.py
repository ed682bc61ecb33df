"""The rules of `spec.scaling`, in the manner of `rules`.

CEL cannot tell wholly whether five cron fields are cron's, and its list of time zones may not be
the operator's: what it lets through is reported by the operator.
"""

from __future__ import annotations

from typing import Final

from sluice.api.quantities import ADVICE, PATTERN
from sluice.api.rules import Rule

MAX_REPLICAS: Final = 1_000_000
MAX_CRON_LENGTH: Final = 100
MAX_ZONE_LENGTH: Final = 64

_IS_QUANTITY: Final = f"(type(self) == int || self.matches('{PATTERN}'))"
# -1, 0 or 1. Only a text that is a quantity may be read.
_SIGN: Final = "(type(self) == int ? self : quantity(self).compareTo(quantity('0')))"
QUANTITY: Final = Rule(_IS_QUANTITY, ADVICE)
TARGET_POSITIVE: Final = Rule(
    f"!{_IS_QUANTITY} || {_SIGN} > 0",
    'write a quantity greater than zero, such as 50, "0.7" or 500m',
)
TOLERANCE_NOT_NEGATIVE: Final = Rule(
    f"!{_IS_QUANTITY} || {_SIGN} >= 0",
    'write a tolerance of at least 0, such as "0.1" for a tenth',
)
ONE_TARGET: Final = Rule(
    "has(self.averageValue) != has(self.value)",
    "write exactly one of averageValue (per pod) and value",
)
BOUNDS_ORDERED: Final = Rule(
    "self.minReplicas <= self.maxReplicas",
    "minReplicas must not be greater than maxReplicas: swap them or write a greater maxReplicas",
    field_path=".minReplicas",
)
SCALING_METRICS_GIVEN: Final = Rule(
    "self.size() > 0",
    "write at least one metric, or leave scaling out: then replicas are not touched",
)
POLICIES_GIVEN: Final = Rule(
    "self.size() > 0",
    "write at least one policy, or leave policies out: then they are autoscaling/v2's defaults",
)
SCHEDULE_BOUND: Final = Rule(
    "has(self.minReplicas) || has(self.maxReplicas)",
    "write minReplicas, maxReplicas or both: what the schedule asks for",
)
SCHEDULE_ORDERED: Final = Rule(
    "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    "minReplicas must not be greater than maxReplicas: swap them or write one of them",
    field_path=".minReplicas",
)


def _cron_field(atom: str, separators: str = "[-,/]") -> str:
    """A regular expression: numbers and names in ranges, steps and lists."""
    return f"([*]|{atom})({separators}([*]|{atom}))*"


_CRON_FIELDS: Final = (
    _cron_field("[0-5]?[0-9]"),
    _cron_field("[01]?[0-9]|2[0-3]"),
    _cron_field("0?[1-9]|[12][0-9]|3[01]|LW?"),
    _cron_field("0?[1-9]|1[0-2]|[A-Za-z]{3}"),
    _cron_field("[0-7]L?|[A-Za-z]{3}", "[-,/#]"),
)
CRON_PATTERN: Final = f"^{' +'.join(_CRON_FIELDS)}$"
CRON: Final = Rule(
    f"self.matches('{CRON_PATTERN}')",
    "write five cron fields (minute, hour, day of month, month, day of week), such as 0 8 * * 1-5",
)
_ZONE_ADVICE: Final = "write an IANA time zone such as Europe/Berlin or UTC"
ZONE_PATTERN: Final = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"
_LOOKS_LIKE_ZONE: Final = f"self != 'Local' && self.matches('{ZONE_PATTERN}')"
ZONE: Final = Rule(_LOOKS_LIKE_ZONE, _ZONE_ADVICE)
# No value is refused by the comparison, but one by the conversion: "unknown time zone X evaluating
# rule: ...". The API server has its own list, as for the time zones of CronJobs.
ZONE_KNOWN: Final = Rule(
    f"!({_LOOKS_LIKE_ZONE}) || timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
    _ZONE_ADVICE,
)
# Without CEL: the lists are maps by name, so the API server refuses duplicates by itself.
SCALING_METRICS_UNIQUE: Final = Rule("", "metric names must be unique: rename one of them")
SCHEDULES_UNIQUE: Final = Rule("", "schedule names must be unique: rename one of them")
SCHEDULE_NAME: Final = Rule(
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    "write a name of lower case letters, digits and '-', such as office-hours",
)
