"""Which state ends a wait, and with which code."""

from __future__ import annotations

import pytest

from sluice.cli.exit_codes import Exit
from sluice.cli.facts import Facts
from sluice.cli.waiting import Outcome, code_for, outcome
from sluice.core import keys
from sluice.core.commands import Accepted
from unit.cli import objects


@pytest.mark.parametrize(
    ("phase", "reason", "expected"),
    [
        ("Healthy", "Unchanged", Outcome(Exit.HEALTHY, final=True)),
        ("RolledBack", "TemplateRejected", Outcome(Exit.ROLLED_BACK, final=True)),
        ("Paused", "Approval", Outcome(Exit.PAUSED, final=True)),
        ("Paused", "FailureHeld", Outcome(Exit.PAUSED, final=True)),
        ("Paused", "Halted", Outcome(Exit.PAUSED, final=True)),
        # These go on by themselves, when data or replicas come back.
        ("Paused", "NoDataHeld", Outcome(Exit.PAUSED, final=False)),
        ("Paused", "Empty", Outcome(Exit.PAUSED, final=False)),
        ("Invalid", "Invalid", Outcome(Exit.STUCK, final=True)),
        ("Stalled", "DeploymentMissing", Outcome(Exit.STUCK, final=False)),
        ("Progressing", "Running", Outcome(Exit.UNDER_WAY, final=False)),
        ("Promoting", "Unavailable", Outcome(Exit.UNDER_WAY, final=False)),
        ("RollingBack", "Otherwise", Outcome(Exit.UNDER_WAY, final=False)),
        ("", "", Outcome(Exit.UNDER_WAY, final=False)),
    ],
)
def test_the_outcome_of_each_phase(phase: str, reason: str, expected: Outcome) -> None:
    assert outcome(Facts(objects.rollout(phase, reason))) == expected


def test_a_status_of_an_older_spec_ends_nothing() -> None:
    raw = objects.rollout("Healthy")
    raw["metadata"]["generation"] = 2

    assert outcome(Facts(raw)) == Outcome(Exit.UNDER_WAY, final=False)


def test_a_status_from_before_the_last_command_ends_nothing() -> None:
    """The command was taken up, and carried out, a moment ago: the status does not show it yet."""
    raw = objects.rollout("Paused", "Approval")
    last = Accepted("u/7", "promote", "2026-01-01T00:00:00Z").finished("step 1 is approved")
    raw["metadata"].setdefault("annotations", {})[keys.ACCEPTED] = last.dump()
    assert outcome(Facts(raw)) == Outcome(Exit.UNDER_WAY, final=False)
    raw["status"]["lastCommand"] = {"id": "u/7", "verb": "promote", "result": "under way"}
    assert outcome(Facts(raw)) == Outcome(Exit.UNDER_WAY, final=False)
    raw["status"]["lastCommand"]["result"] = "step 1 is approved"
    assert outcome(Facts(raw)) == Outcome(Exit.PAUSED, final=True)
    raw["metadata"]["annotations"][keys.COMMAND] = "abort"
    assert outcome(Facts(raw)) == Outcome(Exit.UNDER_WAY, final=False)


def test_what_was_waited_for_is_0_and_anything_else_has_its_own_code() -> None:
    assert code_for(Exit.HEALTHY, Exit.HEALTHY) is Exit.OK
    assert code_for(Exit.ROLLED_BACK, Exit.ROLLED_BACK) is Exit.OK
    assert code_for(Exit.ROLLED_BACK, Exit.HEALTHY) == 3
    assert code_for(Exit.HEALTHY, Exit.ROLLED_BACK) == 8
