"""The pages of the docs, as tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
_BORDER: Final = re.compile(r"(?<!\\)\|")


def page(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def under(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page(name))
    assert found, f"{name} has no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without the lines at their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    ruled = [i for i, line in enumerate(lines) if set(line) <= set("|- ")]
    heads = {*ruled, *(i - 1 for i in ruled)}
    bodies = (line for i, line in enumerate(lines) if i not in heads)
    return [[cell.strip() for cell in _BORDER.split(line)[1:-1]] for line in bodies]


def codes(cell: str) -> list[str]:
    """What is written as code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def first_column(name: str, heading: str) -> list[str]:
    """All that the first cells of the tables under a heading have as code."""
    return [code for row in rows(under(name, heading)) for code in codes(row[0])]
