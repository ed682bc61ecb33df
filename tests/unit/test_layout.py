"""The folder is called operator, like a standard module: that works on two conditions."""

from __future__ import annotations

import operator
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_folder_operator_is_no_package() -> None:
    """With an __init__.py it would replace the standard library's module for whatever runs here."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_module_operator_is_the_standard_library_s() -> None:
    assert operator.attrgetter("real")(7) == 7


def test_nothing_beside_the_package_is_named_like_a_standard_module() -> None:
    """Kopf puts a script's folder first on sys.path, where such a sibling would win."""
    beside = {path.stem for path in (ROOT / "operator").iterdir()}

    assert "sluice" in beside
    assert not beside & sys.stdlib_module_names
