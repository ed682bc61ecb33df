"""The options that every command has, as kubectl names them, and what they lead to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from sluice.cli import complete
from sluice.cli.client import Api
from sluice.cli.kubeconfig import Options, load
from sluice.cli.screen import Screen


class Output(StrEnum):
    """The forms of `-o`."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    WIDE = "wide"


Namespace = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--namespace",
        metavar="NAME",
        autocompletion=complete.namespaces,
        help="The namespace; else the context's.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        autocompletion=complete.contexts,
        help="The context of the kubeconfig; else the current one.",
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig; else $KUBECONFIG."),
]
Impersonate = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="Act as another user.")
]
Form = Annotated[Output | None, typer.Option("-o", "--output", help="Another form of output.")]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        autocompletion=complete.rollouts,
        help="The Rollout: web, or slr/web.",
    ),
]
NameOrOnly = Annotated[
    str,
    typer.Argument(
        metavar="[NAME]",
        autocompletion=complete.rollouts,
        help="The Rollout; may be left out where the namespace has only one.",
    ),
]


@dataclass(frozen=True)
class Session:
    """One run of the program: how to reach the cluster, and where the output goes."""

    options: Options
    screen: Screen = field(default_factory=Screen)

    @functools.cached_property
    def api(self) -> Api:
        """The API server; connects when it is first asked."""
        return self.connect()

    @property
    def namespace(self) -> str:
        """The namespace that is meant."""
        return self.api.namespace

    def close(self) -> None:
        """Close the connection, where there is one."""
        if "api" in self.__dict__:
            self.api.close()

    def connect(self) -> Api:
        """Another connection of its own, for a thread."""
        return Api(lambda: load(self.options))


# Option names by parameter name, and their types; they are the same for every command.
_SHARED: Final[dict[str, Any]] = {
    "namespace": Namespace,
    "context": Context,
    "kubeconfig": Kubeconfig,
    "impersonate": Impersonate,
}


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """A command that gets a Session first, and has the shared options behind its own."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _SHARED.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

    def command(**values: Any) -> None:
        options = Options(**{name: values.pop(name) for name in _SHARED})
        session = Session(options)
        try:
            function(session, **values)
            session.screen.finish(f"kubectl sluice {function.__name__.rstrip('_')}")
        finally:
            session.close()

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__module__ = function.__module__
    # typer reads both.
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in [*own, *shared]}
    return command
