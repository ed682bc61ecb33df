r"""Vector selectors of PromQL: `http_requests_total{code=~"5.."}`, and what Sluice adds to them.

A user writes which series count, without namespace and pod; the two sides' pods are added here. The
patterns are plain enough for RE2, so that the CRD refuses with the very same ones. What is allowed
is what may be written between a metric's name and its last brace; no range, offset or function.
Escapes inside of strings are left to Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SPACE: Final = r"[ \t\r\n]*"
_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
# Prometheus 3 takes quoted names of metrics and labels, in any characters.
_STRING: Final = r'(?:"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
_OPERATOR: Final = r"(?:=~|!~|!=|=)"
_MATCHER: Final = f"(?:{_LABEL}|{_STRING}){_SPACE}{_OPERATOR}{_SPACE}{_STRING}"
# A lone string in the braces is the metric's name.
_ITEM: Final = f"(?:{_MATCHER}|{_STRING})"


def _list_of(item: str) -> str:
    return f"{item}(?:{_SPACE},{_SPACE}{item})*{_SPACE},?{_SPACE}"


PATTERN: Final = (
    f"^{_SPACE}(?:{_NAME}{_SPACE}(?:[{{]{_SPACE}(?:{_list_of(_MATCHER)})?[}}])?"
    f"|[{{]{_SPACE}{_list_of(_ITEM)}[}}]){_SPACE}$"
)
# The labels that Sluice adds by itself. A label may be quoted in any of the three ways.
_OURS: Final = "(?:namespace|pod)"
OWN_LABEL_PATTERN: Final = (
    f"^{_SPACE}(?:{_NAME})?{_SPACE}[{{]{_SPACE}(?:{_ITEM}{_SPACE},{_SPACE})*"
    f"(?:{_OURS}|\"{_OURS}\"|'{_OURS}'|`{_OURS}`){_SPACE}{_OPERATOR}"
)
# A histogram is named without the suffix of its series, and before the braces.
HISTOGRAM_PATTERN: Final = (
    f"^{_SPACE}{_NAME}{_SPACE}(?:[{{]{_SPACE}(?:{_list_of(_MATCHER)})?[}}])?{_SPACE}$"
)
SUFFIX_PATTERN: Final = f"^{_SPACE}[a-zA-Z0-9_:]*_(?:bucket|sum|count){_SPACE}(?:[{{]|$)"

_PARTS: Final = re.compile(f"^{_SPACE}({_NAME})?{_SPACE}(?:[{{](.*)[}}])?{_SPACE}$", re.DOTALL)
_ITEMS: Final = re.compile(f"({_LABEL}|{_STRING}){_SPACE}(?:({_OPERATOR}){_SPACE}({_STRING}))?")


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector in its parts, each as the user wrote it: `matchers` are (label, operator, value)
    with their quotes. `name` is empty where the braces hold it.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()

    def text(self, more: Mapping[str, str]) -> str:
        """The selector with these matchers added, each given as label -> operator and value."""
        own = [f"{label}{operator}{value}" for label, operator, value in self.matchers]
        added = [f"{label}{matcher}" for label, matcher in more.items()]
        return f"{self.name}{{{','.join([*own, *added])}}}"

    def labels(self) -> frozenset[str]:
        """The labels that are matched, without quotes."""
        return frozenset(
            label[1:-1] if label[0] in "\"'`" else label
            for label, _, value in self.matchers
            if value
        )

    def suffixed(self, suffix: str) -> Selector:
        """The selector of another series of the same metric, such as `_bucket`."""
        return Selector(self.name + suffix, self.matchers)


def parse(text: str) -> Selector | None:
    """The selector; None for anything else."""
    if not re.match(PATTERN, text):
        return None
    parts = _PARTS.match(text)
    assert parts is not None, "PATTERN is the narrower of the two"
    items = _ITEMS.findall(parts[2] or "")
    return Selector(parts[1] or "", tuple(items))


def quoted(value: str) -> str:
    """A PromQL string for any value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
