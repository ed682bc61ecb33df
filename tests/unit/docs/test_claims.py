"""Numbers that the prose of the docs names, against the code that they come from."""

from __future__ import annotations

import inspect

import pytest

from sluice import reconcile
from sluice.adapters import health
from sluice.api import rules, status
from sluice.core import events, sizing, ungating
from sluice.runtime.lease import Timing
from sluice.runtime.queue import WorkQueue

from .pages import page

WHY, HOW, OPERATIONS, REFERENCE = (
    f"docs/{name}.md" for name in ("why", "how-it-works", "operations", "reference")
)
UNGATED_MINUTES = ungating.WINDOW.total_seconds() / 60
WORKERS = inspect.signature(WorkQueue).parameters["workers"].default


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (WHY, f"up to {rules.MAX_WEIGHT} %"),
        (HOW, f"of 8 replicas {sizing.canary_size(8, 10)} pod for 10 %"),
        (HOW, f"{sizing.canary_size(8, 25)} for 25 %, {sizing.canary_size(8, 50)} for 50 %"),
        (OPERATIONS, f"| `--port` | {health.PORT} |"),
        (OPERATIONS, f"| `--lease-seconds` | {Timing().lease_seconds:g} |"),
        (OPERATIONS, f"term ends after {Timing().renew_seconds:g} s"),
        (OPERATIONS, f"lost for at most {health.LOST_LIMIT_SECONDS / 60:g} minutes"),
        (OPERATIONS, f"of at most {WORKERS}"),
        (OPERATIONS, f"with Conflict for {UNGATED_MINUTES:g} minutes"),
        (OPERATIONS, f"after {ungating.LIMIT} times within {UNGATED_MINUTES:g} minutes"),
        (HOW, f"beside 8 new pods {sizing.kept_size(8, 80)} old ones for 80 %"),
        (OPERATIONS, f"every {reconcile._AFTER_REFUSAL_SECONDS:g} s"),
        (OPERATIONS, "the last ten decisions"),
        (REFERENCE, f"so do {events.QUERY_SECONDS:g} s and the analysis' interval"),
    ],
)
def test_a_number_in_the_docs_is_that_of_the_code(name: str, said: str) -> None:
    assert said in page(name)


def test_ten_decisions_are_kept() -> None:
    assert status.MAX_DECISIONS == 10
