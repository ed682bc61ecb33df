"""Files are checked without a cluster: every problem, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli.lint import lint

ROOT = Path(__file__).parents[3]
BAD = sorted((ROOT / "tests" / "e2e" / "bad_objects").glob("*.yaml"))

SEVERAL = """\
apiVersion: v1
kind: Service
metadata: {name: web}
---
# The Rollout is the second document.
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  targetRef: {name: web}
  canary:
    steps:
      - {weight: 10, duration: 1}
      - weight: 25
        duration: 5 minutes
        aproval: Required
    analysis:
      interval: 1h
---
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: other}
---
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: second}
spec: {targetRef: {}}
"""


def lines_of(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.sentence.split(" ")[0]) for problem in lint(text).problems]


def test_all_problems_of_all_documents_come_with_their_lines() -> None:
    assert lines_of(SEVERAL) == [
        (13, "spec.canary.steps[0].duration"),
        (15, "spec.canary.steps[1].duration"),
        (16, "spec.canary.steps[1].aproval"),
        (18, "spec.canary.analysis.interval"),
        (28, "spec.targetRef.name"),
    ]


def test_other_objects_and_other_projects_rollouts_are_left_alone() -> None:
    report = lint(SEVERAL)

    assert report.rollouts == 2
    assert report.others == 2


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_what_the_api_server_refuses_is_found(file: Path) -> None:
    """The files of the e2e tests; where a rule of ours refuses, with its very sentence."""
    text = file.read_text(encoding="utf-8")
    problems = lint(text).problems

    assert problems
    assert problems[0].line > 1
    expected = text.splitlines()[0].removeprefix("# expect:").strip()
    if "write " in expected:
        assert any(expected in problem.sentence for problem in problems)


def test_more_than_ten_problems_are_all_told() -> None:
    steps = "\n".join(f"      - {{weight: {n}, duration: {n}}}" for n in range(1, 16))
    text = (
        "apiVersion: sluice.dev/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n"
        f"  targetRef: {{name: web}}\n  canary:\n    steps:\n{steps}\n"
    )

    assert [line for line, _ in lines_of(text)] == list(range(8, 23))


def test_a_misspelt_field_is_guessed() -> None:
    text = SEVERAL.replace("aproval", "Approval")

    sentences = [problem.sentence for problem in lint(text).problems]

    assert "spec.canary.steps[1].Approval is no field of a Rollout: did you mean approval?" in (
        sentences
    )


def test_a_field_that_stands_twice_is_told() -> None:
    text = SEVERAL.replace("      interval: 1h", "      interval: 5s\n      interval: 6s")

    found = lint(text).problems

    assert (19, "interval stands here twice, first in line 18: remove one") in [
        (problem.line, problem.sentence) for problem in found
    ]


def test_the_items_of_a_list_object_are_looked_at() -> None:
    text = """\
apiVersion: v1
kind: List
items:
  - apiVersion: sluice.dev/v1alpha1
    kind: Rollout
    metadata: {name: web}
    spec:
      targetRef: {name: web}
      paused: maybe
"""

    assert lines_of(text) == [(9, "spec.paused")]


def test_what_is_no_yaml_is_one_problem_with_its_line() -> None:
    assert [(p.line, p.sentence[:15]) for p in lint("a: 1\nb: [\n").problems] == [
        (3, "this is no YAML")
    ]


def test_another_version_of_the_api_is_told() -> None:
    text = SEVERAL.replace("sluice.dev/v1alpha1", "sluice.dev/v1", 1)

    assert (6, "apiVersion") in lines_of(text)


GOOD = [ROOT / "deploy" / "demo" / "rollout.yaml", *sorted((ROOT / "examples").glob("*.yaml"))]


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_the_demo_and_the_examples_have_no_problem(file: Path) -> None:
    report = lint(file.read_text(encoding="utf-8"))

    assert report.problems == ()
    assert report.rollouts == 1


COMPARED = """\
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  targetRef: {name: web}
  canary:
    analysis:
      confidence: "0.99"
      minRequests: 200
      lowTraffic: {after: 10m, action: Continue}
      metrics:
        - name: errors
          counters:
            bad: requests_total{code=~"5.."}
            total: requests_total
          tolerance: "1.5"
          max: "0.05"
        - name: latency
          histogram: request_seconds
"""


def test_comparisons_are_known() -> None:
    assert lint(COMPARED).problems == ()


@pytest.mark.parametrize(
    ("good", "bad", "line"),
    [
        ('"0.99"', '"99"', 8),
        ("minRequests: 200", "minRequests: 0", 9),
        ("action: Continue", "action: Rollback", 10),
        ('{code=~"5.."}', '{pod="web"}', 14),
        ("total: requests_total", "total: rate(requests_total[1m])", 15),
        ('"1.5"', '"0.5"', 16),
        ("request_seconds", "request_seconds_bucket", 19),
    ],
)
def test_what_is_wrong_with_a_comparison_comes_with_its_line(
    good: str, bad: str, line: int
) -> None:
    problems = lint(COMPARED.replace(good, bad)).problems
    assert [problem.line for problem in problems] == [line]


SCALED = """\
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  targetRef: {name: web}
  scaling:
    minReplicas: 2
    maxReplicas: 20
    metrics:
      - {name: first, query: up, target: {value: 1}}
      - name: second
        query: up
        target: {averageValue: 50}
    behavior:
      scaleUp:
        policies:
          - {type: Pods, value: 4, periodSeconds: 15}
      scaleDown:
        policies:
          - {type: Percent, value: 10, periodSeconds: 60}
          - {type: Pods, value: 1, periodSeconds: 60}
    schedules:
      - {name: night, start: 0 23 * * *, duration: 6h, maxReplicas: 4}
      - {name: office, start: 0 8 * * 1-5, duration: 10h, minReplicas: 6}
"""


def test_scaling_is_known() -> None:
    assert lint(SCALED).problems == ()


@pytest.mark.parametrize(
    ("good", "bad", "lines"),
    [
        ("minReplicas: 2", "minReplicas: 200", [7]),
        ("maxReplicas: 20", "maxreplicas: 20", [7, 8]),
        ("{value: 1}", "{}", [10]),
        ("averageValue: 50", "averageValue: 0.5", [13]),
        ("value: 4", "value: 0", [17]),
        ("periodSeconds: 60", "periodSeconds: 6000", [20, 21]),
        ("duration: 6h", "duration: 6", [23]),
        ("0 8 * * 1-5", "0 8 * * 8", [24]),
    ],
)
def test_what_is_wrong_with_scaling_comes_with_its_lines(
    good: str, bad: str, lines: list[int]
) -> None:
    problems = lint(SCALED.replace(good, bad)).problems

    assert [problem.line for problem in problems] == lines
