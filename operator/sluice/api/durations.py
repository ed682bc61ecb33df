"""Gateway API durations (GEP-2257): `1h30m`, `10s`, `500ms`.

On the wire a duration stays the text that the user wrote; the core counts in seconds.
"""

from __future__ import annotations

import re
from typing import Final

PATTERN: Final = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
# The longest text that fits the pattern: four times five digits and `ms`.
MAX_LENGTH: Final = 28
_TEXT: Final = re.compile(r"([0-9]{1,5}(?:h|ms|m|s)){1,4}", re.ASCII)
_PART: Final = re.compile(r"([0-9]{1,5})(h|ms|m|s)", re.ASCII)
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def is_duration(text: str) -> bool:
    """Whether `text` is a GEP-2257 duration."""
    return _TEXT.fullmatch(text) is not None


def parse_seconds(text: str) -> float:
    """The duration in seconds, never negative. ValueError when `text` is no GEP-2257 duration."""
    if not is_duration(text):
        raise ValueError(f"{text!r} is no duration: write a duration such as 30s, 5m or 1h30m")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
