"""Kubernetes quantities: `50`, `0.7`, `500m`, `2k`, `1Gi`, `5e3`.

On the wire a quantity stays what the user wrote; scaling computes in whole thousandths, as the
HorizontalPodAutoscaler does.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

PATTERN: Final = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$"
MAX_LENGTH: Final = 32
# Larger ones are cut to this, as the API server cuts them.
MAX: Final = 2**63 - 1
ADVICE: Final = 'write a quantity such as 50, "0.7", 500m or 2k'
_TEXT: Final = re.compile(PATTERN, re.ASCII)
_SPLIT: Final = re.compile(r"([-+.0-9]+)(?:[eE]([-+]?[0-9]+)|([numkKMGTPEi]*))", re.ASCII)
_POWERS_OF_TEN: Final = {
    suffix: 3 * power for power, suffix in enumerate(("n", "u", "m", "", *"kMGTPE"), start=-3)
}
_POWERS_OF_TWO: Final = {f"{suffix}i": 10 * power for power, suffix in enumerate("KMGTPE", 1)}


def is_quantity(value: object) -> bool:
    """Whether the value is a quantity: an integer, or the text of one. A float is none."""
    if isinstance(value, str):
        return len(value) <= MAX_LENGTH and _TEXT.fullmatch(value) is not None
    return type(value) is int and -MAX <= value <= MAX


def parse(value: int | str) -> Fraction:
    """The quantity as an exact number. ValueError, which says what to write, when it is none."""
    if not is_quantity(value):
        raise ValueError(f"{value!r} is no quantity: {ADVICE}")
    if isinstance(value, int):
        return Fraction(value)
    found = _SPLIT.fullmatch(value)
    assert found is not None
    number, exponent, suffix = found[1], found[2], found[3] or ""
    if suffix in _POWERS_OF_TWO:
        scale = Fraction(2) ** _POWERS_OF_TWO[suffix]
    else:
        scale = Fraction(10) ** (int(exponent) if exponent else _POWERS_OF_TEN[suffix])
    return max(Fraction(-MAX), min(Fraction(MAX), Fraction(number) * scale))


def parse_milli(value: int | str) -> int:
    """The quantity in whole thousandths, rounded up. ValueError when it is none."""
    return math.ceil(parse(value) * 1000)
