"""Lines of styled text, laid out for a width: what is shown is made of these, whatever shows it.

A line is a list of (text, style) parts. Where nothing is known about the width, as in a pipe, lines
are as long as they are; in a terminal they are wrapped under their own beginning or cut, so that a
narrow one stays readable.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sluice.core import times

Part = tuple[str, str]
Line = list[Part]

GUIDE: Final = "guide"
DIM: Final = "dim"
BOLD: Final = "bold"
# Under this nothing can be laid out: such a terminal wraps by itself.
_LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on: how wide (None: without limit), and whether it can show guides."""

    width: int | None = None
    guides: bool = False


def plain(line: Line) -> str:
    """The line without styles."""
    return "".join(text for text, _ in line).rstrip()


def length(line: Line) -> int:
    """How many columns the line takes."""
    return sum(len(text) for text, _ in line)


def hung(head: Line, text: str, style: str, paper: Paper, hang: Line | None = None) -> list[Line]:
    """The text behind `head`, wrapped below its own beginning; `hang` begins the other lines."""
    start = length(head)
    if paper.width is None or start + len(text) <= paper.width:
        return [[*head, (text, style)]]
    room = max(_LEAST, paper.width - start)
    first, *others = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    begin = hang or []
    pad: Line = [*begin, (" " * (start - length(begin)), "")]
    return [[*head, (first, style)], *([*pad, (other, style)] for other in others)]


def cut(line: Line, width: int | None) -> Line:
    """The line, cut with an ellipsis where it is too long."""
    if width is None or length(line) <= width:
        return line
    left, kept = width - 1, []
    for text, style in line:
        kept.append((text[:left], style))
        left -= len(text)
        if left <= 0:
            break
    return [*kept, ("…", kept[-1][1])]


def dated(
    entries: Sequence[tuple[datetime | None, str]], now: datetime, paper: Paper
) -> list[Line]:
    """One entry below the other, each behind its time."""
    whens = [clock(at, now) if at else "" for at, _ in entries]
    width = max((len(when) for when in whens), default=0) + 2
    lines: list[Line] = []
    for when, (_, text) in zip(whens, entries, strict=True):
        lines += hung([(f"  {when.ljust(width)}", DIM)], text, "", paper)
    return lines


def columns(rows: Sequence[Sequence[Part]], gap: int = 2) -> list[Line]:
    """Rows with their cells one below the other; the last cell of a row is not padded."""
    widths: dict[int, int] = {}
    for row in rows:
        for index, (text, _) in enumerate(row[:-1]):
            widths[index] = max(widths.get(index, 0), len(text))
    lines: list[Line] = []
    for row in rows:
        line: Line = []
        for index, (text, style) in enumerate(row):
            last = index == len(row) - 1
            line.append((text if last else text.ljust(widths[index] + gap), style))
        lines.append(line)
    return lines


def without_empty(rows: Sequence[Sequence[Part]]) -> list[list[Part]]:
    """The rows without the columns in which nothing stands at all."""
    used = {index for row in rows for index, (text, _) in enumerate(row) if text}
    return [[part for index, part in enumerate(row) if index in used] for row in rows]


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it: `42s`, `5m`, `3h`, `12d`; empty for an unknown time."""
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def clock(at: datetime, now: datetime) -> str:
    """The local time of day; with the date where it is another day."""
    local = at.astimezone()
    same = local.date() == now.astimezone().date()
    return f"{local:%H:%M:%S}" if same else f"{local:%Y-%m-%d %H:%M:%S}"


def until(at: datetime, now: datetime) -> str:
    """`in 12s (14:03:10)`; `now` once it is due."""
    seconds = (at - now).total_seconds()
    span = times.span(round(seconds)) if seconds >= 1 else ""
    return f"in {span} ({clock(at, now)})" if span else f"now ({clock(at, now)})"


def sentence(value: Any) -> str:
    """Text of a status as one line."""
    return " ".join(str(value or "").split())


def joined(parts: Iterable[str], separator: str = ", ") -> str:
    """The parts that are not empty."""
    return separator.join(part for part in parts if part)
