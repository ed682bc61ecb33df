"""The comments beside the members of an enum, which say in a few words what each one means."""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from enum import Enum


def meanings(kind: type[Enum]) -> dict[str, str]:
    """For each member's name, the comment at the end of its line, or the lines above it.

    A member without one speaks for itself: `NEW_TEMPLATE` is `new template`.
    """
    found: dict[str, str] = {}
    above: list[str] = []
    tokens = list(tokenize.generate_tokens(io.StringIO(inspect.getsource(kind)).readline))
    first = {token.start[0]: token for token in reversed(tokens) if token.string.strip()}
    for token in tokens:
        row = first.get(token.start[0])
        if token.type == tokenize.COMMENT and row is token:
            above.append(_words(token.string))
        elif token.type == tokenize.COMMENT and row and row.string in kind.__members__:
            found[row.string] = _words(token.string)
        elif token.type == tokenize.NEWLINE:
            if row and row.string in kind.__members__ and above:
                found.setdefault(row.string, " ".join(above))
            above = []
    return {member.name: found.get(member.name) or _spelt(member) for member in kind}


def _words(comment: str) -> str:
    return comment.lstrip("#").strip()


def _spelt(member: Enum) -> str:
    return re.sub("[_ ]+", " ", member.name).lower()
