"""`kubectl sluice simulate`: what it prints, and what it says about options that cannot be.

SLUICE_GOLDEN=write writes the texts anew; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluice.cli.simulate_story import clock, lines
from sluice.cli.text import Paper, length, plain
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.model.scenario import Scenario, Span
from sluice.model.simulation import play
from sluice.model.traffic import Version
from unit.cli.conftest import Run

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "examples" / "rollout.yaml")
GOLDEN = Path(__file__).with_name("golden")
PAPERS = {
    "80": Paper(width=80, guides=True),
    "160": Paper(width=160, guides=True),
    "pipe": Paper(),
}
QUERY = 'rate(x{pod=~"{{canary}}",code=~"5.."}[30s])/rate(x{pod=~"{{canary}}"}[30s])'
POLICY = Policy(
    "web",
    steps=(Step(10, 60.0), Step(50, 60.0, approval_required=True)),
    analysis=Analysis(metrics=(Metric("errors", QUERY, maximum=0.01),)),
)
SCENARIOS = {
    "approval": Scenario(POLICY, metrics_down=(Span(20, 90),)),
    "bad": Scenario(POLICY, canary=Version(0.2), stable=Version(0.001)),
    "crash": Scenario(POLICY, crash_after_seconds=3.0, replicas=1),
}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_time_line(name: str, paper: str) -> None:
    scenario = SCENARIOS[name]
    shown = lines(scenario, play(scenario), PAPERS[paper])
    text = "".join(f"{plain(line)}\n" for line in shown)
    file = GOLDEN / f"simulate-{name}-{paper}.txt"
    if os.environ.get("SLUICE_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    scenario = SCENARIOS[name]
    shown = lines(scenario, play(scenario), Paper(width=width, guides=True))
    assert [plain(line) for line in shown if length(line) > width and " " in plain(line)] == []


def test_a_pipe_gets_ascii_and_whole_sentences() -> None:
    scenario = SCENARIOS["bad"]
    story = play(scenario)
    text = "\n".join(plain(line) for line in lines(scenario, story, Paper()))
    assert text.isascii()
    assert all(f"{moment.what}: {moment.why}" in text for moment in story.moments)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5.5, "0:05.5"), (65, "1:05"), (3723, "1:02:03")]
)
def test_virtual_times(seconds: float, text: str) -> None:
    assert clock(seconds) == text


# --- the command


def test_a_good_and_a_bad_release_of_a_file(run: Run) -> None:
    good, bad = run("simulate", EXAMPLE), run("simulate", EXAMPLE, "--canary-errors", "10%")
    assert (good.code, bad.code) == (0, 0)
    assert "Outcome   promoted" in good.out
    assert "Outcome   rolled back" in bad.out
    assert '"errors" is' in bad.out


def test_without_a_file_it_plays_the_defaults_and_says_that_nothing_is_measured(run: Run) -> None:
    ran = run("simulate", "--canary-errors=100%")
    assert "Outcome   promoted" in ran.out
    assert "only the pods are watched, errors go unseen" in ran.out


def test_the_same_seed_prints_the_same(run: Run) -> None:
    words = ("simulate", EXAMPLE, "--canary-errors", "3%", "--seed", "7")
    assert run(*words).out == run(*words).out


def test_programs_get_json(run: Run) -> None:
    ran = run("simulate", EXAMPLE, "--canary-errors", "10%", "-o", "json")
    told = json.loads(ran.out)
    assert told["outcome"] == "RolledBack"
    assert told["leastReady"] == 8
    assert told["timeline"][0]["by"] == "scenario"
    assert told["requests"]["v2"]["failed"] > 0


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--canary-errors=5x", "write a share such as 5% or 0.05"),
        ("--stable-errors=120%", "from 0% to 100%"),
        ("--prometheus-down=3m", "write FROM..TO, such as 2m..3m"),
        ("--operator-down=3m..2m", "it ends before it begins"),
        ("--value=errors", "write NAME=NUMBER"),
        ("--value=queue=1", "no metric is named queue: the Rollout has errors"),
        ("--value=errors=a", "'a' is no number"),
        ("--value=errors=1@5", "write FROM..TO"),
        ("--command=jump@1m", "verbs: promote, promote-full, abort"),
        ("--command=promote", "write VERB@TIME, such as promote@5m"),
        ("--until=48h", "write a duration of at most 24h"),
        ("--rps=many", "'many' is no number"),
        ("--rps=-1", "write a number from 0 to"),
        ("--pod-start=5", "write a duration such as 500ms, 30s or 1h30m"),
        ("--crash-at=0s", "write a duration of more than 0s"),
        ("--canary-latency=fast", "write a duration such as"),
        ("--output=name", "write json or yaml"),
    ],
)
def test_an_option_that_cannot_be_says_what_to_write(run: Run, option: str, said: str) -> None:
    ran = run("simulate", EXAMPLE, option)
    assert ran.code == 2
    assert said in ran.err
    assert option.replace("--output=", "-o ") in ran.err
    assert ran.out == ""


def test_a_query_that_cannot_be_evaluated_asks_for_its_value(run: Run, tmp_path: Path) -> None:
    text = Path(EXAMPLE).read_text(encoding="utf-8")
    begin, end = text.index("          query: >-"), text.index("          max:")
    file = tmp_path / "rollout.yaml"
    file.write_text(f"{text[:begin]}          query: avg(queue_depth)\n{text[end:]}")
    ran = run("simulate", str(file))
    assert ran.code == 2
    assert "give its value with --value errors=NUMBER" in ran.err
    assert "promoted" in run("simulate", str(file), "--value", "errors=0.001").out


def test_problems_of_a_file_are_told_as_lint_tells_them(run: Run) -> None:
    file = str(min((ROOT / "tests" / "e2e" / "bad_objects").glob("*.yaml")))
    ran, linted = run("simulate", file), run("lint", file)
    assert ran.code == linted.code == 1
    assert ran.out == linted.out


def test_a_file_without_or_with_several_rollouts(run: Run, tmp_path: Path) -> None:
    text = Path(EXAMPLE).read_text(encoding="utf-8")
    file = tmp_path / "some.yaml"
    file.write_text("kind: Service\napiVersion: v1\n")
    assert "has no Rollout of sluice.dev" in run("simulate", str(file)).err
    file.write_text(f"{text}---\n{text.replace('{name: web}', '{name: api}', 1)}")
    assert "has 2 Rollouts: name one with --rollout web|api" in run("simulate", str(file)).err
    assert "Rollout   api" in run("simulate", str(file), "--rollout", "api").out
    assert "write --rollout web|api" in run("simulate", str(file), "--rollout", "x").err
    assert "cannot be read" in run("simulate", str(tmp_path / "none.yaml")).err


def test_a_default_run_takes_no_two_seconds_of_cpu() -> None:
    before = os.times()
    program = [sys.executable, "-m", "sluice.cli.main", "simulate"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    subprocess.run(program, check=True, capture_output=True, env=environment)
    after = os.times()
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 2.0


def test_an_hour_is_played_in_seconds() -> None:
    policy = Policy("web", steps=(Step(10, 3600.0),), analysis=POLICY.analysis)
    began = time.process_time()
    story = play(Scenario(policy))
    assert story.outcome == "Healthy"
    assert time.process_time() - began < 5.0
