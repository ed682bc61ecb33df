"""Who is on call finds everything that the operator may say: what is new in the code must be
explained in the docs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from sluice import __main__ as operator
from sluice.adapters.metrics import Metrics
from sluice.adapters.scaling_metrics import ScalingMetrics
from sluice.cli.exit_codes import Exit
from sluice.core import display, keys, scaling_status
from sluice.core.announcements import ANNOUNCEMENTS
from sluice.core.commands import VERBS
from sluice.core.objects import Role
from sluice.core.readings import Reason
from sluice.core.scaling import decision
from sluice.core.table import TABLE, Move, Phase

from .pages import ROOT, codes, first_column, page, rows, under

OPERATIONS: Final = "docs/operations.md"
REFERENCE: Final = "docs/reference.md"
# Where a status is made, its reason is written out as a text.
MAKERS: Final = frozenset({"simple", "full", "with_conflict", "_waiting", "Condition"})
# All that looks like one is a reason in these.
WHOLE: Final = (display, scaling_status, decision)
CAMEL: Final = re.compile(r"([A-Z][a-z]+)+")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    sources = ROOT / "operator" / "sluice"
    scaling = Path(decision.__file__)
    for path in sorted([*(sources / "core").glob("*.py"), scaling, sources / "reconcile.py"]):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def words(node: ast.AST) -> set[str]:
    """The texts in a piece of code that look like a name in CamelCase."""
    texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return {text for text in texts if isinstance(text, str) and CAMEL.fullmatch(text)}


def calls(tree: ast.AST, names: frozenset[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in names:
                yield node


def condition_types() -> set[str]:
    found = {scaling_status.ACTIVE, scaling_status.LIMITED}
    for _, tree in trees():
        found |= {
            word
            for call in calls(tree, frozenset({"Condition"}))
            for word in words(call.args[0] if call.args else ast.Module([], []))
        }
    return found


def condition_reasons() -> set[str]:
    """Written out where a status is made, or the event that lets a release stay."""
    found = {e.value for row in TABLE.values() for e, r in row.items() if r.move is Move.NOTHING}
    for path, tree in trees():
        for call in calls(tree, MAKERS):
            found |= words(call)
        if str(path) in {module.__file__ for module in WHOLE}:
            found |= words(tree)
    return found - condition_types() - {"True"}


def same(said: list[str], meant: set[str]) -> None:
    assert set(said) == meant
    assert len(said) == len(set(said)), "twice"


def test_every_phase_is_explained() -> None:
    same(first_column(OPERATIONS, "Phases"), {phase.value for phase in Phase})


def test_every_condition_is_explained() -> None:
    assert {"Ready", "Reconciling", "Stalled"} < condition_types()
    same(first_column(OPERATIONS, "Conditions"), condition_types())


def test_every_reason_of_a_condition_is_explained() -> None:
    assert {"Refused", "Ungated", "Adopting", "PodsUnavailable", "Approval"} < condition_reasons()
    same(first_column(OPERATIONS, "Reasons"), condition_reasons())


@pytest.mark.parametrize("state", TABLE)
def test_the_phase_beside_a_reason_is_the_one_of_the_table(state: str) -> None:
    """But for the two phases that a rollback and a release exchange."""
    said = {codes(row[0])[0]: row[1] for row in rows(under(OPERATIONS, "Reasons"))}
    for event, rule in TABLE[state].items():  # type: ignore[index]  # a State is a str
        if rule.move is Move.NOTHING:
            assert rule.phase.value in said[event.value], event


def test_every_reason_of_an_unknown_metric_is_explained() -> None:
    same(first_column(OPERATIONS, "Unknown metrics"), {reason.value for reason in Reason})


def test_every_event_is_explained_with_its_type() -> None:
    said = {
        code: row[1] == "Warning"
        for row in rows(under(OPERATIONS, "Events"))
        for code in codes(row[0])
    }
    assert said == {told.reason: told.warning for told in ANNOUNCEMENTS.values()}


def test_every_exit_code_is_explained() -> None:
    for name, heading in ((OPERATIONS, "Exit codes"), ("docs/cli.md", "Wait in a pipeline")):
        said = [row[0] for row in rows(under(name, heading))]
        assert said == [str(code.value) for code in Exit], name


def test_every_metric_is_explained() -> None:
    source = Path(operator.__file__).read_text(encoding="utf-8")
    gauges = set(re.findall(r'gauge\(\s*"(\w+)"', source))
    assert len(gauges) >= 4
    registry = Metrics().registry
    ScalingMetrics(registry)
    counters = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in registry.collect()
    }
    text = under(OPERATIONS, "Pages and metrics")
    said = [code for row in rows(text) for code in codes(row[0]) if code.startswith("sluice_")]
    same(said, gauges | counters)


def test_every_flag_and_variable_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        operator._arguments(["--help"])
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    variables = {
        operator.CONFIG,
        operator.IGNORED_NAMESPACES,
        operator.POD_NAME,
        operator.POD_NAMESPACE,
    }
    same(first_column(OPERATIONS, "Configuration"), flags | variables)


def test_every_permission_is_explained() -> None:
    said = []
    for row in rows(under(OPERATIONS, "Permissions")):
        resource, *only = codes(row[0])
        said.append((resource, tuple(codes(row[1])), tuple(only)))
    given = [
        (resource, tuple(rule["verbs"]), tuple(rule.get("resourceNames", ())))
        for document in yaml.safe_load_all(page("deploy/operator/10-access.yaml"))
        for rule in document.get("rules", ())
        for resource in rule["resources"]
    ]
    assert sorted(said) == sorted(given)


def test_every_command_is_explained() -> None:
    verbs = {code.partition("=")[0] for code in first_column(REFERENCE, "Commands")}
    assert verbs == set(VERBS)


def test_every_key_on_an_object_is_explained() -> None:
    text = under(REFERENCE, "Annotations and labels")
    said = {code for row in rows(text) for code in codes(row[1]) if "/" in code}
    written = {value for value in vars(keys).values() if isinstance(value, str)}
    ours = {value for value in written if value.startswith(f"{keys.PREFIX}/")}
    assert said == ours | {keys.REVISION}


def test_every_role_of_a_replicaset_is_explained() -> None:
    text = under(REFERENCE, "Annotations and labels")
    (said,) = [row[2] for row in rows(text) if keys.ROLE in codes(row[1])]
    assert set(codes(said)) == {role.value for role in Role}
