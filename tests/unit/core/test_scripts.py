"""Every behaviour that has a script, played in the model.

The same scripts are played on the real cluster by tests/e2e/test_scripts.py, which demands the same
states at every rest.
"""

from __future__ import annotations

from typing import Any

import pytest

from scripts.catalogue import SCRIPTS
from scripts.in_model import NotInModel, play
from scripts.script import Script


def played(script: Script) -> Any:
    """What the model lacks is told, and once it can play the script, this test demands the word."""
    lacks = pytest.mark.xfail(
        bool(script.model_lacks),
        reason=f"the model lacks {script.model_lacks}",
        raises=(NotInModel, AssertionError),
        strict=True,
    )
    return pytest.param(script, id=script.name, marks=lacks)


@pytest.mark.parametrize("script", [played(script) for script in SCRIPTS])
def test_in_the_model(script: Script) -> None:
    stage = play(script)
    assert script.then.problems(stage.state()) == []
    assert stage.fewest_ready >= script.never_below


def test_every_script_has_a_name_of_its_own_and_a_reason_for_an_outage() -> None:
    assert len({script.slug for script in SCRIPTS}) == len(SCRIPTS)
    for script in SCRIPTS:
        assert bool(script.because) == (script.never_below < script.given.replicas)
