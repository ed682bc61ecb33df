"""The commands: what each takes, and which part of the program does it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sluice.cli import ordering, output, reading
from sluice.cli.check import check
from sluice.cli.errors import CliError
from sluice.cli.exit_codes import Exit
from sluice.cli.import_ import import_
from sluice.cli.options import (
    Form,
    Name,
    NameOrOnly,
    Output,
    Session,
    connected,
)
from sluice.cli.simulate import simulate

app = typer.Typer(
    name="kubectl sluice",
    help="Canary releases of plain Deployments: look at them, and steer them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

DryRun = Annotated[
    str,
    typer.Option("--dry-run", metavar="server|none", help="server: check it, write nothing."),
]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="Such as 10m; 0s is without limit.")
]


def _version(asked: bool) -> None:  # noqa: FBT001
    if asked:
        from importlib.metadata import version  # noqa: PLC0415  (slow, and seldom asked for)

        sys.stdout.write(f"kubectl-sluice {version('sluice')}\n")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="The version, no more."),
    ] = False,
) -> None:
    """Canary releases of plain Deployments: look at them, and steer them."""


def _now() -> datetime:
    return datetime.now(UTC)


@app.command("list")
@connected
def list_(
    session: Session,
    *,
    everywhere: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="Those of all namespaces.")
    ] = False,
    form: Form = None,
) -> None:
    """All Rollouts of a namespace, one a line."""
    from sluice.cli import tables  # noqa: PLC0415

    namespace = None if everywhere else session.namespace
    found = session.api.list("rollouts", namespace)
    if output.objects_as(session, form, found):
        return
    if not found:
        where = f"namespace {namespace}" if namespace else "any namespace"
        sys.stderr.write(f"No Rollouts in {where}.\n")
        return
    wide = form is Output.WIDE
    paper = session.screen.paper
    session.screen.show(tables.rollouts(found, _now(), paper, namespaces=everywhere, wide=wide))


@app.command()
@connected
def get(session: Session, name: NameOrOnly = "", form: Form = None) -> None:
    """One Rollout: versions, pods, metrics, what is next.

    A tree of both versions with their pods and what is wrong with them, each metric with value,
    limit and verdict, and what happens next and when.
    """
    from sluice.cli.tree import tree  # noqa: PLC0415

    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    if output.object_as(session, form, raw):
        return
    facts = reading.facts(session.api, raw)
    session.screen.show(tree(facts, _now(), session.screen.paper))


@app.command()
@connected
def watch(session: Session, name: NameOrOnly = "", timeout: Timeout = "0s") -> None:
    """The same, live, until the release has ended.

    At rest it waits for the next release. The exit code is that of status.
    """
    from sluice.cli import live  # noqa: PLC0415

    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    raise typer.Exit(live.watch(session, raw, _seconds(timeout)))


@app.command()
@connected
def status(
    session: Session,
    name: NameOrOnly = "",
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the release has ended, or needs a person.")
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="STATE",
            help="What gives exit code 0: healthy, rolledback, paused or stuck.",
        ),
    ] = "healthy",
    timeout: Timeout = "0s",
) -> None:
    """One line and an exit code; --wait for pipelines.

    Exit codes: 0 the state of --for, 1 error, 2 bad command line, 3 rolled back, 4 paused until a
    person decides, 5 not within --timeout, 6 not found, 7 stalled or invalid, 8 healthy (with
    another --for), 9 under way (without --wait).
    """
    from sluice.cli import live  # noqa: PLC0415
    from sluice.cli.waiting import TARGETS  # noqa: PLC0415

    wanted = TARGETS.get(target.lower().replace("-", ""))
    if wanted is None:
        raise typer.BadParameter(f"--for={target}: write one of {', '.join(TARGETS)}")
    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    seconds = _seconds(timeout)
    code = live.wait(session, raw, wanted, seconds) if wait else live.status(session, raw, wanted)
    raise typer.Exit(code)


@app.command()
@connected
def history(session: Session, name: NameOrOnly = "", form: Form = None) -> None:
    """The revisions, and why each ended."""
    from sluice.cli import tables  # noqa: PLC0415

    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    if form is Output.NAME:
        output.object_as(session, form, raw)
        return
    found = tables.revisions(*reading.revisions(session.api, raw))
    if output.structured(session, form, [item.wire() for item in found]):
        return
    wide = form is Output.WIDE
    title = str(raw["metadata"]["name"])
    session.screen.show(tables.history(title, found, _now(), session.screen.paper, wide=wide))


@app.command()
@connected
def explain(session: Session, name: NameOrOnly = "", form: Form = None) -> None:
    """Why it is where it is: decisions and inputs."""
    from sluice.cli import explain as explaining  # noqa: PLC0415

    raw = reading.rollout(session.api, session.namespace, reading.bare_name(name))
    facts = reading.facts(session.api, raw)
    if output.structured(session, form, explaining.wire(facts, _now())):
        return
    session.screen.show(explaining.explain(facts, _now(), session.screen.paper))


@app.command()
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML; - is the input.")],
    form: Form = None,
) -> None:
    """Check Rollouts in files, without a cluster.

    All problems at once, each with its line. Other objects in the files are left alone.
    """
    from sluice.cli.kubeconfig import Options  # noqa: PLC0415
    from sluice.cli.lint import Report, lint  # noqa: PLC0415

    reports: dict[str, Report] = {}
    for file in files:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"{file} cannot be read: {error}") from error
        reports[file] = lint(text)
    session = Session(Options())
    found = [(file, item) for file, report in reports.items() for item in report.problems]
    listed = [
        {
            "file": file,
            "line": p.line,
            "column": p.column,
            "rollout": p.rollout or None,
            "problem": p.sentence,
        }
        for file, p in found
    ]
    if not output.structured(session, form, listed):
        for file, p in found:
            who = f"Rollout {p.rollout}: " if p.rollout else ""
            session.screen.write(f"{file}:{p.line}:{p.column}: {who}{p.sentence}")
        rollouts = sum(report.rollouts for report in reports.values())
        others = sum(report.others for report in reports.values())
        sys.stderr.write(_summary(len(found), rollouts, others))
    raise typer.Exit(Exit.ERROR if found else Exit.OK)


def _summary(problems: int, rollouts: int, others: int) -> str:
    def count(number: int, word: str) -> str:
        return f"{number or 'no'} {word}{'' if number == 1 else 's'}"

    rest = f"; {count(others, 'other object')} not looked at" if others else ""
    return f"{count(problems, 'problem')} in {count(rollouts, 'Rollout')}{rest}\n"


app.command()(check)
app.command()(simulate)
app.command("import")(import_)


@app.command()
@connected
def promote(
    session: Session,
    name: Name,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Past all steps, without any analysis.")
    ] = False,
    dry_run: DryRun = "none",
    form: Form = None,
) -> None:
    """Go past what holds it: an approval, a pause.

    Without --full it speaks of the step that is under way now, and is refused when that is over.
    """
    change = ordering.command((lambda _: "promote-full") if full else ordering.promote)
    _order(session, name, change, dry_run, form)


@app.command()
@connected
def abort(session: Session, name: Name, dry_run: DryRun = "none", form: Form = None) -> None:
    """Take the canary back; its template is rejected."""
    _order(session, name, ordering.command(lambda _: "abort"), dry_run, form)


@app.command()
@connected
def retry(session: Session, name: Name, dry_run: DryRun = "none", form: Form = None) -> None:
    """Release the rejected template once more."""
    _order(session, name, ordering.command(lambda _: "retry"), dry_run, form)


@app.command()
@connected
def rollback(
    session: Session,
    name: Name,
    to: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="REVISION", help="See history; else the last one."),
    ] = None,
    dry_run: DryRun = "none",
    form: Form = None,
) -> None:
    """Go back now, without steps.

    During a release the canary is taken back; at rest the version before, or that of --to, returns.
    """
    verb = "rollback" if to is None else f"rollback={to}"
    _order(session, name, ordering.command(lambda _: verb), dry_run, form)


@app.command()
@connected
def restart(session: Session, name: Name, dry_run: DryRun = "none", form: Form = None) -> None:
    """New pods of the same version, as a release."""
    _order(session, name, ordering.command(lambda _: "restart"), dry_run, form)


@app.command()
@connected
def pause(session: Session, name: Name, dry_run: DryRun = "none", form: Form = None) -> None:
    """No new release and no next step (spec.paused).

    Scaling, a swap under way and rollbacks go on.
    """
    _order(session, name, ordering.pause(paused=True), dry_run, form, spec="paused")


@app.command()
@connected
def resume(session: Session, name: Name, dry_run: DryRun = "none", form: Form = None) -> None:
    """Go on after pause."""
    _order(session, name, ordering.pause(paused=False), dry_run, form, spec="resumed")


def _order(  # noqa: PLR0913  (one call for all orders)
    session: Session,
    name: str,
    change: ordering.Change,
    dry_run: str,
    form: Output | None,
    *,
    spec: str = "",
) -> None:
    if dry_run not in ("none", "server"):
        raise typer.BadParameter(f"--dry-run={dry_run}: write server or none")
    api = session.api
    raw = reading.rollout(api, session.namespace, reading.bare_name(name))
    dry = dry_run == "server"
    before, after = ordering.give(api, raw, change, dry_run=dry)
    title = f"{output.KIND}/{after['metadata']['name']}"
    if dry:
        if not output.object_as(session, form, after):
            session.screen.write(f"{title} accepted (server dry run): nothing was written")
        return
    if spec:
        answer = ordering.spec_answer(api, after, spec)
    else:
        answer = ordering.command_answer(api, before, after)
    if not output.object_as(session, form, answer.rollout) and answer.code is Exit.OK:
        session.screen.write(f"{title} {answer.sentence}")
    elif answer.code is not Exit.OK:
        raise CliError(f"{title} {answer.sentence}", answer.code)


def _seconds(text: str) -> float | None:
    """The duration of --timeout in seconds; None for 0, which is without limit."""
    from sluice.api.durations import parse_seconds  # noqa: PLC0415

    try:
        return parse_seconds(text) or None
    except ValueError as error:
        raise typer.BadParameter(f"--timeout: {error}") from error
