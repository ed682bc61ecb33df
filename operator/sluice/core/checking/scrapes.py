"""How often series are scraped, estimated from how many samples they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sluice.core.checking.subject import Sought, Subject
from sluice.core.plan import Query
from sluice.core.readings import Answer, Known

_WINDOWS_SECONDS: Final = (60, 600)
# With fewer samples a window says little.
_ENOUGH: Final = 4
# What people configure. A count is one off either way, and a young pod's first scrape is late.
_USUAL_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_OFF: Final = 0.25


def questions(sought: Sought) -> Iterator[Query]:
    """What to ask: the samples of that series which has the most."""
    for window in _WINDOWS_SECONDS:
        text = sought.selector.text({}) if sought.selector.matchers else sought.selector.name
        query = f"max(count_over_time({text}[{window}s]))"
        yield Query(f"{sought.part}/samples/{window}", query)


def seconds(sought: Sought, subject: Subject, answers: Mapping[str, Answer]) -> float | None:
    """The interval between two scrapes; None where there are too few samples to tell."""
    for window in _WINDOWS_SECONDS:
        match answers.get(f"{sought.part}/samples/{window}"):
            case Known(samples) if samples >= (2 if window == _WINDOWS_SECONDS[-1] else _ENOUGH):
                return _usual(min(window, max(1.0, subject.oldest_seconds)) / samples)
            case _:
                pass
    return None


def _usual(estimate: float) -> float:
    nearest = min(_USUAL_SECONDS, key=lambda usual: abs(usual - estimate) / usual)
    return nearest if abs(nearest - estimate) <= _OFF * nearest else round(estimate, 1)
