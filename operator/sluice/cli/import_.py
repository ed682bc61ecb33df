"""`kubectl sluice import`: the Rollout for what another autoscaler does now."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from sluice.cli import complete
from sluice.cli.errors import CliError
from sluice.cli.exit_codes import Exit
from sluice.cli.facts import Json, parts
from sluice.cli.options import Session, connected

KINDS: Final = {
    "hpa": "horizontalpodautoscalers",
    "horizontalpodautoscaler": "horizontalpodautoscalers",
    "horizontalpodautoscalers": "horizontalpodautoscalers",
    "horizontalpodautoscaler.autoscaling": "horizontalpodautoscalers",
    "so": "scaledobjects",
    "scaledobject": "scaledobjects",
    "scaledobjects": "scaledobjects",
    "scaledobject.keda.sh": "scaledobjects",
}
_HPA: Final = "HorizontalPodAutoscaler"
_SCALED: Final = "ScaledObject"
_HEADS: Final = {
    "horizontalpodautoscalers": {"apiVersion": "autoscaling/v2", "kind": _HPA},
    "scaledobjects": {"apiVersion": "keda.sh/v1alpha1", "kind": _SCALED},
}

Subject = Annotated[
    str,
    typer.Argument(
        metavar="FILE|hpa/NAME|scaledobject/NAME",
        autocompletion=complete.autoscalers,
        help="In a YAML file (- is the input), or in the cluster.",
    ),
]
Source = Annotated[
    str,
    typer.Option(
        "--source", metavar="NAME", help="A metric source of the operator's configuration."
    ),
]
AdapterConfig = Annotated[
    str | None,
    typer.Option(
        "--adapter-config",
        metavar="FILE",
        help="What prometheus-adapter reads, or its ConfigMap: the queries of metric names.",
    ),
]


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of the objects: documents, and what could not be made one."""

    documents: list[str]
    refused: list[str]
    others: int


@connected
def import_(
    session: Session,
    subject: Subject,
    *,
    source: Source = "default",
    adapter_config: AdapterConfig = None,
) -> None:
    """Print the Rollout for an HPA or a ScaledObject.

    A comment tells each thing that does not carry over. What cannot be told is left to be written,
    in words that the API refuses. Nothing is changed in the cluster.
    """
    from sluice.cli.moving import adapter  # noqa: PLC0415  (only for this)

    config = adapter.read(_text(adapter_config)) if adapter_config else None
    kind, slash, name = subject.rpartition("/")
    if slash and kind.lower() in KINDS:
        resource = KINDS[kind.lower()]
        head = _HEADS[resource]
        found: list[Json] = [head | dict(session.api.get(resource, session.namespace, name))]
    else:
        found = _objects(subject)
    written = _write(found, session.options.namespace, source, config)
    if not written.documents and not written.refused:
        raise CliError(f"{subject} has no {_HPA} and no {_SCALED}: name a file that has one")
    text = "---\n".join(written.documents)
    sys.stdout.write(text)
    _tell(text, written)
    if written.refused:
        raise typer.Exit(Exit.ERROR)


def _write(found: Sequence[Json], namespace: str | None, source: str, config: Any) -> _Written:
    from sluice.cli.moving import hpa, keda  # noqa: PLC0415
    from sluice.cli.moving.draft import Unfit, title  # noqa: PLC0415
    from sluice.cli.moving.written import text_of  # noqa: PLC0415

    scaled = {title(raw) for raw in found if raw.get("kind") == _SCALED}
    wanted = [raw for raw in found if raw.get("kind") in (_HPA, _SCALED)]
    wanted = [raw for raw in wanted if hpa.maker_of(raw) not in scaled]
    written = _Written([], [], len(found) - len(wanted))
    for raw in wanted:
        try:
            is_hpa = raw["kind"] == _HPA
            draft = hpa.draft_of(raw, config) if is_hpa else keda.draft_of(raw)
        except Unfit as unfit:
            written.refused.append(f"{raw['kind']} {title(raw)}: {unfit}")
            continue
        draft.namespace = draft.namespace or namespace or ""
        written.documents.append(text_of(draft, source))
    return written


def _tell(text: str, written: _Written) -> None:
    """To standard error: what was not made, and what is to be written before it can be applied."""
    from sluice.cli.lint import lint  # noqa: PLC0415

    for sentence in written.refused:
        sys.stderr.write(f"error: {sentence}\n")
    for problem in lint(text).problems:
        sys.stderr.write(f"to do: line {problem.line}: {problem.sentence}\n")
    if written.others:
        objects = "1 other object" if written.others == 1 else f"{written.others} other objects"
        sys.stderr.write(f"{objects} not looked at\n")


def _objects(file: str) -> list[Json]:
    try:
        return list(_in_lists(yaml.safe_load_all(_text(file))))
    except yaml.YAMLError as error:
        raise CliError(f"{file} is no YAML: {error}") from error


def _in_lists(documents: Any) -> Iterator[Json]:
    for document in documents:
        if not isinstance(document, dict):
            continue
        if str(document.get("kind")).endswith("List"):
            yield from parts(document, "items")
        else:
            yield document


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from error
