"""Generated parts of a page: what stands between two markers, each on a line of its own.

A marker is a comment of what it stands in: `<!-- generated: x -->` and `<!-- end: x -->` in
Markdown, `%% generated: x` and `%% end: x` in a Mermaid diagram.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

Parts = Mapping[str, Callable[[], str]]

_MARKER: Final = re.compile(r"(?:<!--|%%) (?P<what>generated|end): (?P<name>[\w-]+)(?: -->)?")


class BadMarkers(ValueError):
    """The markers of a page do not fit each other, or name a part that nobody makes."""


def filled(text: str, parts: Parts, page: str) -> str:
    """The page with each generated part made anew. Raises BadMarkers."""
    lines: list[str] = []
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        marker = _MARKER.fullmatch(line.strip())
        if marker is None:
            lines += [] if inside else [line]
            continue
        what, name = marker["what"], marker["name"]
        if (what == "end") != (inside is not None) or inside not in (None, name):
            raise BadMarkers(f"{page}:{number}: {what}: {name} does not fit the marker before it")
        if name not in parts:
            known = ", ".join(sorted(parts))
            raise BadMarkers(f"{page}:{number}: nobody makes {name}; known are {known}")
        lines.append(line)
        if what == "generated":
            lines += parts[name]().splitlines()
        inside = name if what == "generated" else None
    if inside is not None:
        raise BadMarkers(f"{page}: generated: {inside} has no end")
    return "\n".join(lines) + "\n"


def names(text: str) -> tuple[str, ...]:
    """The generated parts that a page holds."""
    markers = (_MARKER.fullmatch(line.strip()) for line in text.splitlines())
    return tuple(m["name"] for m in markers if m and m["what"] == "generated")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, with a blank line around it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in lines)


def code(text: str) -> str:
    """The text as code; empty for none."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    """On one line, and without an end of the cell in it: so GitHub wants it, in code, too."""
    return " ".join(text.split()).replace("|", "\\|")
