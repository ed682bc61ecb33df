"""Where lines go: a terminal with or without colours, a pipe, or a picture.

In a pipe there are no colours, no guides and no line breaks of ours. rich, which takes 70 ms to
load, draws what is live and the pictures; a few colours in a terminal are written without it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sluice.cli.text import Line, Paper, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# The documentation's pictures are made by the program itself: SLUICE_PICTURE=file.svg, and
# SLUICE_PICTURE_COLUMNS for the width of the terminal in it.
PICTURE: Final = "SLUICE_PICTURE"
PICTURE_COLUMNS: Final = "SLUICE_PICTURE_COLUMNS"

STYLES: Final = {
    "guide": "bright_black",
    "dim": "bright_black",
    "bold": "bold",
    "good": "green",
    "bad": "bold red",
    "busy": "cyan",
    "wait": "yellow",
    "heading": "bold",
    "name": "bold",
    "": "",
}
# The same for terminals (ECMA-48, Select Graphic Rendition).
_CODES: Final = {
    "bright_black": "90",
    "bold": "1",
    "green": "32",
    "bold red": "1;31",
    "cyan": "36",
    "yellow": "33",
}


class Screen:
    """Standard output, as it is."""

    def __init__(self, *, no_colour: bool = False) -> None:
        self.picture = os.environ.get(PICTURE)
        self.tty = sys.stdout.isatty() or self.picture is not None
        dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        quiet = no_colour or bool(os.environ.get("NO_COLOR")) or dumb
        self.colour = self.picture is not None or (self.tty and not quiet)
        self.live = sys.stdout.isatty() and not dumb
        # Asked here: rich's live display puts a stream without an encoding in its place.
        encoding = (sys.stdout.encoding or "").lower()
        self._guides = self.picture is not None or encoding.startswith("utf")
        self._console: Console | None = None

    @property
    def paper(self) -> Paper:
        """How much room there is; asked again each time, a terminal may be resized."""
        if not self.tty:
            return Paper()
        columns = os.environ.get(PICTURE_COLUMNS) if self.picture else None
        width = int(columns) if columns else shutil.get_terminal_size().columns
        return Paper(width=width, guides=self._guides)

    def show(self, lines: Iterable[Line]) -> None:
        """Writes the lines."""
        if self.picture is not None:
            for line in lines:
                self.console.print(text_of(line), no_wrap=True, overflow="ignore", crop=False)
            return
        drawn = coloured if self.colour else plain
        sys.stdout.write("".join(f"{drawn(line)}\n" for line in lines))
        sys.stdout.flush()

    def write(self, text: str) -> None:
        """Writes text that programs read, as it is."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()

    @property
    def console(self) -> Console:
        """rich's console, made when it is first needed."""
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415  (only for what needs it)

            more: dict[str, Any] = {}
            if self.picture is not None:
                more = {"record": True, "force_terminal": True, "color_system": "truecolor"}
                more["width"] = self.paper.width
            self._console = Console(highlight=False, soft_wrap=False, no_color=None, **more)
        return self._console

    def finish(self, title: str) -> None:
        """Writes the picture, where one is asked for."""
        if self.picture is None or self._console is None:
            return
        svg = self._console.export_svg(title=title, unique_id="sluice")
        # Without the fonts from the network: a picture that loads nothing.
        svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
        svg = _LEADING.sub(_moved, svg)
        tidy = "\n".join(line.rstrip() for line in svg.splitlines())
        Path(self.picture).write_text(f"{tidy}\n", encoding="utf-8")


# Some viewers drop the spaces that a text begins with: it is placed behind them instead.
_LEADING: Final = re.compile(
    r'x="(?P<x>[\d.]+)" (?P<y>y="[^"]*") textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>'
    r"(?P<spaces>(?:&#160;)+)(?=[^<&])"
)
_CHARACTER_WIDTH: Final = 12.2


def _moved(text: re.Match[str]) -> str:
    shift = _CHARACTER_WIDTH * (len(text["spaces"]) // len("&#160;"))
    x, length = float(text["x"]) + shift, float(text["length"]) - shift
    return f'x="{x:g}" {text["y"]} textLength="{length:g}"{text["rest"]}>'


def coloured(line: Line) -> str:
    """The line with the terminal's codes for its styles."""
    parts = []
    for text, style in line:
        code = _CODES.get(STYLES.get(style, ""))
        parts.append(f"\x1b[{code}m{text}\x1b[0m" if code and text.strip() else text)
    return "".join(parts).rstrip()


def text_of(line: Line) -> Text:
    """The line as rich's text."""
    from rich.text import Text  # noqa: PLC0415

    return Text.assemble(*((text, STYLES.get(style, style)) for text, style in line))
