"""The vector selectors in a PromQL expression, with the range behind each.

No parser: Prometheus itself says whether a query is good. This finds what can be asked for by
itself when a query gives nothing, and it may find less than there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sluice.core import selectors
from sluice.core.selectors import Selector

_STRING: Final = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`"
_TOKEN: Final = re.compile(
    rf"""(?P<skipped>\s+|\#[^\n]*|[0-9][0-9a-zA-Z_.]*)
    |(?P<string>{_STRING})
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<braces>\{{(?:[^}}"'`]|{_STRING})*\}})
    |(?P<range>\[[^\]]*\])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
# Behind these stands a list of labels in parentheses.
_LABELLED: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"})
_DURATION: Final = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+")
_PARTS: Final = re.compile(r"([0-9]+)(ms|[smhdwy])")
_UNIT_SECONDS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 7 * 86_400.0,
    "y": 365 * 86_400.0,
}

_Token = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A selector, and over how long it is read; None where it is read at an instant."""

    selector: Selector
    range_seconds: float | None = None


def selectors_in(query: str) -> tuple[Found, ...]:
    """The selectors of an expression, each once, in its order."""
    tokens = [
        (match.lastgroup or "", match[0])
        for match in _TOKEN.finditer(query)
        if match.lastgroup != "skipped"
    ]
    return tuple(dict.fromkeys(_found(tokens)))


def _found(tokens: list[_Token]) -> Iterator[Found]:
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind == "word" and text.lower() in _LABELLED:
            at = _behind_parentheses(tokens, at)
            continue
        if kind == "word" and (_is_no_name(tokens, at, text)):
            continue
        if kind not in ("word", "braces"):
            continue
        if kind == "word" and _at(tokens, at)[0] == "braces":
            text += tokens[at][1]
            at += 1
        selector = selectors.parse(text)
        if selector is not None:
            yield Found(selector, _range(*_at(tokens, at)))


def _at(tokens: list[_Token], at: int) -> _Token:
    return tokens[at] if at < len(tokens) else ("", "")


def _is_no_name(tokens: list[_Token], at: int, word: str) -> bool:
    """Whether it is an operator, a function, or an aggregation with its labels behind it."""
    following = _at(tokens, at)[1].lower()
    return word.lower() in _WORDS or following in ("(", "by", "without")


def _behind_parentheses(tokens: list[_Token], at: int) -> int:
    if _at(tokens, at)[1] != "(":
        return at
    while at < len(tokens) and tokens[at][1] != ")":
        at += 1
    return at + 1


def _range(kind: str, text: str) -> float | None:
    inside = text[1:-1].strip() if kind == "range" else ""
    if not _DURATION.fullmatch(inside):
        return None
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PARTS.findall(inside))
