"""What is shown, as text: at 80 and 160 columns, and in a pipe.

SLUICE_GOLDEN=write writes the texts anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluice.cli import explain, tables
from sluice.cli.facts import Facts, sides
from sluice.cli.text import Line, Paper, length, plain
from sluice.cli.tree import tree
from unit.cli import objects, scaled
from unit.cli.objects import NOW, Json

GOLDEN = Path(__file__).with_name("golden")
PAPERS = {
    "80": Paper(width=80, guides=True),
    "160": Paper(width=160, guides=True),
    "pipe": Paper(),
}
STORIES: dict[str, Callable[[], tuple[Json, list[Json], list[Json]]]] = {
    "at-rest": objects.at_rest,
    "crash": objects.crash_in_step_1,
    "unknown": objects.failing_in_step_3,
    "few-requests": objects.few_requests_in_step_2,
    "approval": objects.approval_in_step_2,
    "rolled-back": objects.rolled_back,
}
# How many replicas, and why, is the explanation's alone.
SCALED: dict[str, Callable[[], tuple[Json, list[Json], list[Json]]]] = {
    "scaling-raised": scaled.raised,
    "scaling-blind": scaled.blind,
    "scaling-recommended": scaled.recommended,
    "scaling-undecided": scaled.undecided,
}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the user's zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def facts_of(story: str) -> Facts:
    found, sets, pods = {**STORIES, **SCALED}[story]()
    return Facts(found, sides(sets, pods))


def compare(name: str, lines: list[Line]) -> None:
    text = "".join(f"{plain(line)}\n" for line in lines)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("SLUICE_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("story", STORIES)
def test_the_tree(story: str, paper: str) -> None:
    compare(f"get-{story}-{paper}", tree(facts_of(story), NOW, PAPERS[paper]))


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("story", ["unknown", "few-requests", "rolled-back", *SCALED])
def test_the_explanation(story: str, paper: str) -> None:
    compare(f"explain-{story}-{paper}", explain.explain(facts_of(story), NOW, PAPERS[paper]))


@pytest.mark.parametrize("paper", PAPERS)
def test_the_list(paper: str) -> None:
    found = [STORIES[story]()[0] for story in STORIES]
    found.append({"metadata": {"name": "just-made", "namespace": "demo"}})
    compare(f"list-{paper}", tables.rollouts(found, NOW, PAPERS[paper], namespaces=True))


@pytest.mark.parametrize("paper", PAPERS)
def test_the_history(paper: str) -> None:
    _, sets, _ = objects.rolled_back()
    retired = objects.replica_set(
        "ccc", "retired", 3, 0, 0, stable_at=objects.at(1), reason='command "rollback"'
    )
    gone = {
        "metadata": {
            "name": "sluice-web-ddd",
            "annotations": {"sluice.dev/pod-hash": "ddd", "sluice.dev/stable-at": objects.at(0)},
        },
        "data": {"template": objects.template("v0")},
    }
    found = tables.revisions([*sets, retired], [gone])
    compare(f"history-{paper}", tables.history("web", found, NOW, PAPERS[paper]))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
@pytest.mark.parametrize("story", STORIES)
def test_no_line_is_wider_than_the_terminal(story: str, width: int) -> None:
    paper = Paper(width=width, guides=True)
    facts = facts_of(story)
    shown = [
        *tree(facts, NOW, paper),
        *explain.explain(facts, NOW, paper),
        *tables.rollouts([facts.rollout], NOW, paper, namespaces=True),
        *tables.history("web", tables.revisions(STORIES[story]()[1], []), NOW, paper),
    ]

    too_long = [plain(line) for line in shown if length(line) > width and " " in plain(line)]

    assert too_long == []


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
@pytest.mark.parametrize("story", SCALED)
def test_no_line_about_scaling_is_wider_than_the_terminal(story: str, width: int) -> None:
    shown = explain.explain(facts_of(story), NOW, Paper(width=width, guides=True))

    assert [plain(line) for line in shown if length(line) > width] == []


def test_a_program_gets_the_decision_without_what_the_operator_remembers() -> None:
    given = facts_of("scaling-raised").status["scaling"]

    told = explain.wire(facts_of("scaling-raised"), NOW)["scaling"]

    assert told == {
        name: given[name] for name in ("current", "desired", "decision", "nextChange", "changes")
    }
    assert explain.wire(facts_of("at-rest"), NOW)["scaling"] is None


def test_what_was_decided_on_another_day_has_its_date_before_it() -> None:
    found, sets, pods = objects.rolled_back()
    found["status"]["decisions"][0]["at"] = "2026-05-03T23:59:00Z"

    lines = [plain(x) for x in explain.explain(Facts(found, sides(sets, pods)), NOW, Paper())]

    assert "  2026-05-03 23:59:00  make the canary: new template bbb" in lines
    assert any(line.startswith(f"  12:02:30{' ' * 13}reject the canary") for line in lines)


@pytest.mark.parametrize("story", STORIES)
def test_a_pipe_gets_ascii_and_whole_sentences(story: str) -> None:
    facts = facts_of(story)

    text = "\n".join(plain(line) for line in tree(facts, NOW, Paper()))

    assert text.isascii()
    assert facts.message in text
