"""`kubectl sluice simulate`: plays a Rollout in virtual time, without a cluster."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sluice.cli.options import Form, Session

if TYPE_CHECKING:
    from sluice.core.policy import Policy

_DEFAULT_SPEC: Final = {"targetRef": {"name": "web"}}

File = Annotated[
    str | None,
    typer.Argument(metavar="FILE", help="A Rollout in YAML; - is the input. Else all defaults."),
]
Which = Annotated[
    str | None, typer.Option("--rollout", metavar="NAME", help="Which one, where FILE has several.")
]
Replicas = Annotated[int, typer.Option("--replicas", min=1, max=1000, help="Of the Deployment.")]
Rps = Annotated[str, typer.Option("--rps", metavar="NUMBER", help="Requests a second, in all.")]
PodStart = Annotated[
    str, typer.Option("--pod-start", metavar="DURATION", help="Until a new pod is ready.")
]
CanaryErrors = Annotated[
    str, typer.Option("--canary-errors", metavar="SHARE", help="Of the new version, such as 5%.")
]
StableErrors = Annotated[
    str, typer.Option("--stable-errors", metavar="SHARE", help="Of the old version.")
]
CanaryLatency = Annotated[
    str,
    typer.Option("--canary-latency", metavar="DURATION", help="What a latency query gives."),
]
CrashAt = Annotated[
    str | None,
    typer.Option(
        "--crash-at", metavar="DURATION", help="The new version ends so long after each start."
    ),
]
MetricsDown = Annotated[
    list[str] | None,
    typer.Option("--prometheus-down", metavar="FROM..TO", help="Such as 2m..3m, or 2m.. for good."),
]
OperatorDown = Annotated[
    list[str] | None,
    typer.Option("--operator-down", metavar="FROM..TO", help="Sluice itself is killed meanwhile."),
]
Value = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="NAME=NUMBER[@FROM..TO]",
        help="What the query of this metric gives; may stand several times.",
    ),
]
Order = Annotated[
    list[str] | None,
    typer.Option("--command", metavar="VERB@TIME", help="A command is given: promote@5m."),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="DURATION", help="Else until the release has ended."),
]
Seed = Annotated[int, typer.Option("--seed", help="Other chance, other errors.")]


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options as they were written."""

    replicas: int
    rps: str
    pod_start: str
    canary_errors: str
    stable_errors: str
    canary_latency: str
    crash_at: str | None
    prometheus_down: tuple[str, ...]
    operator_down: tuple[str, ...]
    values: tuple[str, ...]
    commands: tuple[str, ...]
    until: str | None
    seed: int


def simulate(  # noqa: PLR0913  (one parameter for each option)
    file: File = None,
    *,
    which: Which = None,
    replicas: Replicas = 8,
    rps: Rps = "80",
    pod_start: PodStart = "5s",
    canary_errors: CanaryErrors = "0%",
    stable_errors: StableErrors = "0%",
    canary_latency: CanaryLatency = "100ms",
    crash_at: CrashAt = None,
    prometheus_down: MetricsDown = None,
    operator_down: OperatorDown = None,
    value: Value = None,
    command: Order = None,
    until: Until = None,
    seed: Seed = 1,
    form: Form = None,
) -> None:
    """Play a release in virtual time, without a cluster.

    The decisions are the real ones; pods, requests and metrics are simulated. Without FILE it plays
    a Rollout of which only the Deployment is named.
    """
    wishes = Wishes(
        replicas, rps, pod_start, canary_errors, stable_errors, canary_latency, crash_at,
        tuple(prometheus_down or ()), tuple(operator_down or ()), tuple(value or ()),
        tuple(command or ()), until, seed,
    )  # fmt: skip
    name, policy = _rollout(file, which) if file else ("web", _policy(_DEFAULT_SPEC))
    _show(name, policy, wishes, form)


def _show(name: str, policy: Policy, wishes: Wishes, form: Any) -> None:
    from sluice.cli import output, simulate_story  # noqa: PLC0415  (the model, only for this)
    from sluice.cli.kubeconfig import Options  # noqa: PLC0415
    from sluice.cli.simulate_options import scenario  # noqa: PLC0415
    from sluice.model.meters import NoMeter  # noqa: PLC0415
    from sluice.model.simulation import play  # noqa: PLC0415

    wanted = scenario(name, policy, wishes)
    try:
        story = play(wanted)
    except NoMeter as unknown:
        metric = unknown.metric
        raise typer.BadParameter(
            f'the simulation cannot evaluate the query of metric "{metric}": '
            f"give its value with --value {metric}=NUMBER"
        ) from unknown
    session = Session(Options())
    if output.structured(session, form, simulate_story.wire(wanted, story)):
        return
    if form is not None:
        raise typer.BadParameter(f"-o {form}: write json or yaml")
    session.screen.show(simulate_story.lines(wanted, story, session.screen.paper))
    session.screen.finish(" ".join(["kubectl sluice", *sys.argv[1:]]))


def _rollout(file: str, which: str | None) -> tuple[str, Policy]:
    """Name and policy of the Rollout in the file."""
    from sluice.cli.files import rollout_in  # noqa: PLC0415

    found = rollout_in(file, which)
    return str(found["metadata"].get("name", "")), _policy(found["spec"])


def _policy(spec: Any) -> Policy:
    from sluice.api.convert import policy_of  # noqa: PLC0415

    return policy_of(spec)
