"""Label selectors as query text."""

from typing import Any

import pytest

from sluice.core.label_selectors import text_of


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {"matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]},
            "t in (a,b)",
        ),
        ({"matchExpressions": [{"key": "t", "operator": "NotIn", "values": ["a"]}]}, "t notin (a)"),
        ({"matchExpressions": [{"key": "t", "operator": "Exists"}]}, "t"),
        (
            {
                "matchLabels": {"a": "1"},
                "matchExpressions": [{"key": "t", "operator": "DoesNotExist"}],
            },
            "a=1,!t",
        ),
    ],
)
def test_a_selector_reads_as_the_api_server_wants_it(selector: dict[str, Any], text: str) -> None:
    assert text_of(selector) == text
