"""Fills the generated parts of the pages: `uv run python -m docs.generate`.

`--check` writes nothing, shows what would change, and exits with 1 when anything would.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from docs.generate import blocks, reference, states

PAGES: Final = Path(__file__).parents[1]
COMMAND: Final = "uv run python -m docs.generate"

# What a page may hold between `generated: <name>` and `end: <name>`.
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "state-diagram": states.diagram,
    "shared-events": states.shared,
    "state-tables": states.tables,
    "spec-fields": reference.spec_fields,
    "spec-rules": reference.spec_rules,
    "status-fields": reference.status_fields,
    "columns": reference.columns,
    "configuration-fields": reference.configuration_fields,
}


def main(arguments: Sequence[str], pages: Path = PAGES) -> int:
    """Writes the pages, or with --check compares them; the exit code."""
    check = "--check" in arguments
    drifted = False
    for page in sorted(pages.rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = blocks.filled(before, PARTS, page.name)
        if after == before:
            continue
        drifted = True
        if check:
            _show(page, before, after)
        else:
            page.write_text(after, encoding="utf-8")
    if check and drifted:
        sys.stderr.write(f"The docs are not what the code says: run `{COMMAND}`\n")
    return int(check and drifted)


def _show(page: Path, before: str, after: str) -> None:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"{page.name} as it is",
        f"{page.name} as the code says",
        n=1,
    )
    sys.stderr.writelines(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
