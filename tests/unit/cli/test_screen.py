"""Colours and guides go to terminals, and to nothing else."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from sluice.cli.screen import PICTURE, PICTURE_COLUMNS, Screen
from sluice.cli.text import Line

LINES: list[Line] = [[("└─ ", "guide"), ("web", "name"), ("  ", ""), ("Healthy", "good")]]


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", PICTURE):
        monkeypatch.delenv(name, raising=False)


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> tuple[Screen, str]:
    monkeypatch.setattr(sys, "stdout", stream)
    screen = Screen()
    screen.show(LINES)
    return screen, stream.getvalue()


def test_a_terminal_gets_colours_and_guides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    screen, text = shown(monkeypatch, Terminal())

    assert "\x1b[32mHealthy\x1b[0m" in text
    assert screen.paper.guides
    assert screen.paper.width == 77
    assert screen.live


def test_a_pipe_gets_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, text = shown(monkeypatch, io.StringIO())

    assert text == "└─ web  Healthy\n"
    assert screen.paper.width is None
    assert not screen.paper.guides
    assert not screen.live


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    screen, text = shown(monkeypatch, Terminal())

    assert "\x1b" not in text
    assert screen.paper.width is not None


def test_a_terminal_that_knows_ascii_only_gets_no_guides(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, _ = shown(monkeypatch, Terminal("ascii"))

    assert not screen.paper.guides


def test_a_picture_is_made_of_what_is_shown_and_loads_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "picture.svg"
    monkeypatch.setenv(PICTURE, str(file))
    monkeypatch.setenv(PICTURE_COLUMNS, "40")

    screen, _ = shown(monkeypatch, io.StringIO())
    screen.finish("kubectl sluice get")

    svg = file.read_text(encoding="utf-8")
    assert "Healthy" in svg
    assert "font-face" not in svg
    assert screen.paper.width == 40
