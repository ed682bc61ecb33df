"""Which two of many instants are to become one, where there is room for no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


def narrowest(instants: Sequence[datetime]) -> int:
    """The index of the instant that is to join the next one: where both lie closest behind the one
    before them. So repeated thinning leaves even gaps, instead of one that takes in the next again
    and again.
    """
    widths = [later - before for before, later in zip(instants, instants[2:], strict=False)]
    return 1 + widths.index(min(widths))
