"""One Rollout out of a file; what is wrong in it is told first, as `lint` tells it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from sluice.cli.errors import CliError
from sluice.cli.exit_codes import Exit
from sluice.cli.lint import lint


def rollout_in(file: str, which: str | None) -> dict[str, Any]:
    """The Rollout in the file, or the one that `which` names. CliError where there is none, and
    typer's Exit after problems have been told.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from error
    report = lint(text)
    for problem in report.problems:
        who = f"Rollout {problem.rollout}: " if problem.rollout else ""
        sys.stdout.write(f"{file}:{problem.line}:{problem.column}: {who}{problem.sentence}\n")
    if report.problems:
        raise typer.Exit(Exit.ERROR)
    found = {str(item["metadata"].get("name", "")): item for item in _ours(text)}
    if not found:
        raise CliError(f"{file} has no Rollout of sluice.dev: name a file that has one")
    if which is None and len(found) > 1:
        raise CliError(
            f"{file} has {len(found)} Rollouts: name one with --rollout {'|'.join(found)}"
        )
    name = next(iter(found)) if which is None else which
    if name not in found:
        raise CliError(f"{file} has no Rollout {name}: write --rollout {'|'.join(found)}")
    return found[name]


def _ours(text: str) -> list[dict[str, Any]]:
    """The Rollouts in a text that `lint` has found nothing wrong with."""
    documents = [item for item in yaml.safe_load_all(text) if isinstance(item, dict)]
    lists = [item["items"] if isinstance(item.get("items"), list) else [item] for item in documents]
    objects = [item for items in lists for item in items if isinstance(item, dict)]
    return [
        item
        for item in objects
        if item.get("kind") == "Rollout" and str(item.get("apiVersion")).startswith("sluice.dev/")
    ]
