"""Placeholders in PromQL: `{{namespace}} {{name}} {{canary}} {{stable}} {{pods}}`.

Pod placeholders become regular expressions, which PromQL anchors by itself. All values are names
that the API server has checked, so none can leave the quoted string it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
# generateName is cut so that with its five random characters it fits 63 (apimachinery, names).
_PREFIX_LENGTH: Final = 58


def fill(query: str, values: Mapping[str, str]) -> str:
    """The query with each placeholder replaced; unknown ones were refused with the spec."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), query)


def pod_prefix(replica_set: str) -> str:
    """How the names of a ReplicaSet's pods begin."""
    return f"{replica_set}-"[:_PREFIX_LENGTH]


def pods_expression(replica_set: str) -> str:
    """A regular expression for the names of a ReplicaSet's pods."""
    return _literal(pod_prefix(replica_set)) + "[a-z0-9]{5}"


def names_expression(names: Collection[str]) -> str:
    """A regular expression for just these pods, where prefixes do not tell both sides apart."""
    return "|".join(_literal(name) for name in sorted(names)) or "none-yet"


def _literal(name: str) -> str:
    # [.] instead of \. : a backslash would have to be doubled inside PromQL's quotes.
    return name.replace(".", "[.]")
