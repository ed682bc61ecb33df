"""`kubectl sluice check`: asks a Rollout's metrics now, before there is a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from sluice.cli import complete, reading
from sluice.cli.errors import CliError
from sluice.cli.exit_codes import Exit
from sluice.cli.options import Form, Session, connected

_FILE_ENDINGS: Final = (".yaml", ".yml", ".json")

Subject = Annotated[
    str,
    typer.Argument(
        metavar="[NAME|FILE]",
        autocompletion=complete.rollouts,
        help="A Rollout in the cluster, or in a YAML file; - is the input.",
    ),
]
Which = Annotated[
    str | None, typer.Option("--rollout", metavar="NAME", help="Which one, where FILE has several.")
]
OperatorNamespace = Annotated[
    str, typer.Option("--operator-namespace", metavar="NAME", help="Where the operator runs.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="Ask this Prometheus from here, and not through the operator."
    ),
]


@connected
def check(  # noqa: PLR0913  (options)
    session: Session,
    name: Subject = "",
    *,
    which: Which = None,
    url: Url = None,
    operator_namespace: OperatorNamespace = "sluice-system",
    form: Form = None,
) -> None:
    """Ask its metrics now: what they give, what is missing.

    Every metric is asked for the stable pods: what comes back, what is missing, how many requests
    there are, and so how long a step needs to see a regression of 2, 5 and 10 times. The operator
    asks, in one of its pods. Exit codes: 0 nothing is missing, 7 something is, 1 it could not be
    checked.
    """
    from sluice.cli import asking, output, verdicts  # noqa: PLC0415  (only for this)
    from sluice.core.checking.report import Grade, wire  # noqa: PLC0415

    raw = _of_file(name, which) if _is_file(name) else _stored(session, name)
    namespace = str(raw["metadata"].get("namespace") or session.namespace)
    request = asking.request(session.api, namespace, raw["spec"])
    if url is None:
        asked = asking.through_operator(session, request, operator_namespace)
    else:
        asked = asking.from_here(request, url)
    report = asked.report
    if not output.structured(session, form, wire(report)):
        session.screen.show(verdicts.lines(report, asked.by, session.screen.paper))
    if report.count(Grade.PROBLEM):
        session.screen.finish("kubectl sluice check")
        raise typer.Exit(Exit.STUCK)


def _is_file(text: str) -> bool:
    if text == "-" or text.endswith(_FILE_ENDINGS):
        return True
    kind, slash, _ = text.rpartition("/")
    return bool(slash) and kind.lower() not in reading.KINDS and Path(text).is_file()


def _stored(session: Session, name: str) -> dict[str, Any]:
    """The Rollout in the cluster. CliError where its spec breaks a rule."""
    from sluice.api.convert import InvalidSpec, policy_of  # noqa: PLC0415

    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    try:
        policy_of(raw.get("spec"))
    except InvalidSpec as invalid:
        raise CliError(f"Rollout {raw['metadata']['name']}: {invalid}") from invalid
    return raw


def _of_file(file: str, which: str | None) -> dict[str, Any]:
    from sluice.cli.files import rollout_in  # noqa: PLC0415

    return rollout_in(file, which)
