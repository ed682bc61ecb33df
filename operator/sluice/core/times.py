"""Instants as Kubernetes writes them (RFC 3339, UTC), and spans as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

# Clocks of two machines that run the operator in turn may differ so much.
CLOCK_SLACK: Final = timedelta(seconds=10)


def stamp(instant: datetime) -> str:
    """RFC 3339 with milliseconds: steps may be shorter than the second of a Kubernetes Time."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse(text: str | None) -> datetime | None:
    """The instant of an RFC 3339 text; None for None and for text that is none.

    Annotations can be edited by anybody, so a bad one counts as absent instead of raising.
    """
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def later_than(text: str | None, now: datetime) -> str:
    """A stamp of now, or just after `text` where the clock has been set back behind it."""
    last = parse(text)
    return stamp(max(now, last + timedelta(milliseconds=1)) if last else now)


def span(seconds: float) -> str:
    """`95.4` -> `1m35s`; below ten seconds with one decimal where it has one (`2.5s`)."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
