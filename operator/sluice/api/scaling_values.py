"""The values of `spec.scaling` that nothing else has, in the manner of `values`."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated, Any, Final

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field

from sluice.api import quantities, rules, scaling_rules
from sluice.api.rules import validations
from sluice.api.values import int_or_string

_BAD_FIELD: Final = re.compile(r"Bad ([a-z-]+)")
# Any day does: the fields alone say whether they are cron's.
_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001  (a time zone changes nothing here)


def check_quantity(value: Any) -> Any:
    """The value, refused with the sentence of its rule."""
    scaling_rules.QUANTITY.require(quantities.is_quantity(value))
    return value


def check_target(value: int | str) -> int | str:
    """The value, refused with the sentence of its rule."""
    scaling_rules.TARGET_POSITIVE.require(quantities.parse(value) > 0)
    return value


def check_tolerance(value: int | str) -> int | str:
    """The value, refused with the sentence of its rule."""
    scaling_rules.TOLERANCE_NOT_NEGATIVE.require(quantities.parse(value) >= 0)
    return value


def check_schedule_name(name: str) -> str:
    """The value, refused with the sentence of its rule."""
    scaling_rules.SCHEDULE_NAME.require(re.fullmatch(rules.NAME_PATTERN, name) is not None)
    return name


def check_cron(text: str) -> str:
    """The value, refused with the sentence of its rule; also what looks like cron and is none."""
    scaling_rules.CRON.require(re.fullmatch(scaling_rules.CRON_PATTERN, text) is not None)
    wrong = _wrong_in_cron(text)
    scaling_rules.CRON.require(not wrong, f"{wrong}: {scaling_rules.CRON.sentence}")
    return text


@lru_cache(maxsize=1024)
def _wrong_in_cron(text: str) -> str:
    """What is wrong with five fields that look like cron's; kept, since a spec is read often."""
    try:
        next(CronSim(text, _SOME_DAY))
    except StopIteration:
        return "it never comes"
    except CronSimError as error:
        found = _BAD_FIELD.search(str(error))
        field = found[1].replace("-", " ") if found else "whole"
        return f"the {field} never comes or is none"
    return ""


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zones: those of the package, whatever the machine has."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(names.split())


def check_zone(name: str) -> str:
    """The value, refused with the sentence of its rule, and with the name that may be meant."""
    if name not in time_zones():
        near = difflib.get_close_matches(name, time_zones(), n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        scaling_rules.ZONE_KNOWN.require(False, scaling_rules.ZONE_KNOWN.sentence + meant)  # noqa: FBT003
    return name


PositiveQuantity = Annotated[
    int | str,
    BeforeValidator(check_quantity),
    AfterValidator(check_target),
    int_or_string(quantities.MAX_LENGTH, scaling_rules.QUANTITY, scaling_rules.TARGET_POSITIVE),
]
NonNegativeQuantity = Annotated[
    int | str,
    BeforeValidator(check_quantity),
    AfterValidator(check_tolerance),
    int_or_string(
        quantities.MAX_LENGTH, scaling_rules.QUANTITY, scaling_rules.TOLERANCE_NOT_NEGATIVE
    ),
]
CronStart = Annotated[
    str,
    Field(
        max_length=scaling_rules.MAX_CRON_LENGTH,
        json_schema_extra=validations(scaling_rules.CRON),
    ),
    AfterValidator(check_cron),
]
TimeZone = Annotated[
    str,
    Field(
        max_length=scaling_rules.MAX_ZONE_LENGTH,
        json_schema_extra=validations(scaling_rules.ZONE, scaling_rules.ZONE_KNOWN),
    ),
    AfterValidator(check_zone),
]
