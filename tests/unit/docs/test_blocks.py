"""The generated parts of a page, and the tool that fills them."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.generate import __main__ as tool
from docs.generate.blocks import BadMarkers, code, filled, names, table

PARTS = {"one": lambda: "\nnew\n", "two": lambda: "inside"}


def test_a_part_is_made_anew_and_the_rest_stays() -> None:
    page = "before\n<!-- generated: one -->\nold\n\nolder\n<!-- end: one -->\nafter\n"
    assert filled(page, PARTS, "p.md") == (
        "before\n<!-- generated: one -->\n\nnew\n<!-- end: one -->\nafter\n"
    )


def test_a_part_stands_in_a_diagram_by_its_own_kind_of_comment() -> None:
    page = "```mermaid\nx\n    %% generated: two\n    %% end: two\n```\n"
    assert filled(page, PARTS, "p.md").splitlines()[2:5] == [
        "    %% generated: two",
        "inside",
        "    %% end: two",
    ]


def test_filling_twice_changes_nothing_more() -> None:
    once = filled("<!-- generated: one -->\n<!-- end: one -->\n", PARTS, "p.md")
    assert filled(once, PARTS, "p.md") == once


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<!-- generated: three -->\n<!-- end: three -->\n", "p.md:1: nobody makes three"),
        ("<!-- generated: one -->\ntext\n", "generated: one has no end"),
        ("<!-- end: one -->\n", "p.md:1: end: one does not fit"),
        ("<!-- generated: one -->\n<!-- end: two -->\n", "p.md:2: end: two does not fit"),
        ("<!-- generated: one -->\n<!-- generated: one -->\n", "p.md:2: generated: one does not"),
    ],
)
def test_markers_that_do_not_fit_are_refused(page: str, said: str) -> None:
    with pytest.raises(BadMarkers, match=said):
        filled(page, PARTS, "p.md")


def test_a_cell_never_breaks_its_table() -> None:
    assert table(["a", "b"], [[code("x || y"), "two\nlines"]]).splitlines()[3:] == [
        "| `x \\|\\| y` | two lines |"
    ]


def test_every_part_has_its_place_in_the_docs_and_is_what_the_code_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = [name for page in tool.PAGES.rglob("*.md") for name in names(page.read_text("utf-8"))]
    assert sorted(held) == sorted(tool.PARTS)
    assert tool.main(["--check"]) == 0, capsys.readouterr().err


def test_drift_is_shown_with_the_command_that_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- generated: columns -->\n| of | yore |\n<!-- end: columns -->\n", "utf-8")
    before = page.read_text("utf-8")
    assert tool.main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert "-| of | yore |" in said
    assert "+| PHASE | `status.phase` |" in said
    assert tool.COMMAND in said
    assert page.read_text("utf-8") == before, "--check writes nothing"

    assert tool.main([], tmp_path) == 0
    assert tool.main(["--check"], tmp_path) == 0
    assert "| PHASE | `status.phase` |" in page.read_text("utf-8")
