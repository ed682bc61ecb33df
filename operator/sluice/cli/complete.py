"""Completion: what can stand at the cursor.

kubectl asks a program `kubectl_complete-sluice` on the PATH, with the words typed so far. It prints
one candidate a line, and in the last line what the shell shall make of them.
https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#tab-completion-for-plugins
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from sluice.cli.errors import CliError
from sluice.cli.kubeconfig import Options, context_names, load

# cobra's ShellCompDirective: NoFileComp, and Default, which completes file names.
_NO_FILES: Final = ":4"
_FILES: Final = ":0"
_TAKE_FILES: Final = ("check", "import", "lint")
_AUTOSCALERS: Final = {"hpa": "horizontalpodautoscalers", "scaledobject": "scaledobjects"}


def rollouts(ctx: Any, incomplete: str) -> list[str]:
    """The names of the namespace's Rollouts."""
    return [name for name in _names(ctx, "rollouts") if name.startswith(incomplete)]


def autoscalers(ctx: Any, incomplete: str) -> list[str]:
    """What can be imported from the namespace: `hpa/NAME` and `scaledobject/NAME`."""
    return [
        f"{kind}/{name}"
        for kind, resource in _AUTOSCALERS.items()
        if kind.startswith(incomplete.partition("/")[0])
        for name in _names(ctx, resource)
        if f"{kind}/{name}".startswith(incomplete)
    ]


def namespaces(ctx: Any, incomplete: str) -> list[str]:
    """The namespaces that the user may list."""
    return [name for name in _names(ctx, "namespaces") if name.startswith(incomplete)]


def contexts(ctx: Any, incomplete: str) -> list[str]:
    """The contexts of the kubeconfig."""
    names = _quietly(lambda: context_names(_options(ctx)))
    return [name for name in names if name.startswith(incomplete)]


def _names(ctx: Any, resource: str) -> list[str]:
    def read() -> list[str]:
        from sluice.cli.client import Api  # noqa: PLC0415
        from sluice.cli.facts import name_of  # noqa: PLC0415

        api = Api(lambda: load(_options(ctx)))
        place = None if resource == "namespaces" else api.namespace
        try:
            return [name_of(raw) for raw in api.list(resource, place)]
        finally:
            api.close()

    return _quietly(read)


def _quietly(read: Callable[[], list[str]]) -> list[str]:
    """Nothing where it cannot be known: a completion never complains."""
    try:
        return read()
    except CliError:
        return []


def _options(ctx: Any) -> Options:
    given = getattr(ctx, "params", None) or {}
    known = ("context", "kubeconfig", "namespace", "impersonate")
    return Options(**{name: given.get(name) for name in known})


def candidates(words: list[str]) -> list[tuple[str, str]]:
    """(candidate, help) for the last of the words, with all before it typed."""
    import typer.main  # noqa: PLC0415

    from sluice.cli.app import app  # noqa: PLC0415

    *before, incomplete = words or [""]
    command: Any = typer.main.get_command(app)
    context: Any = command.make_context("kubectl sluice", before[:0], resilient_parsing=True)
    if before:
        name, inner, rest = command.resolve_command(context, list(before))
        if inner is None:
            return []
        context = inner.make_context(name, rest, parent=context, resilient_parsing=True)
        command = inner
        last = before[-1]
        option = (
            next((p for p in command.params if last in p.opts and not p.is_flag), None)
            if (last.startswith("-"))
            else None
        )
        if option is not None:
            return _items(option.shell_complete(context, incomplete))
        if not incomplete.startswith("-"):
            found = [p for p in command.params if p.param_type_name == "argument"]
            free = [p for p in found if p.nargs == -1 or not context.params.get(p.name)]
            return _items(free[0].shell_complete(context, incomplete)) if free else []
    return _items(command.shell_complete(context, incomplete))


def _items(found: Any) -> list[tuple[str, str]]:
    return [(str(item.value), str(item.help or "")) for item in found]


def main() -> int:
    """The program kubectl_complete-sluice; the exit code."""
    words = sys.argv[1:]
    try:
        found = candidates(words)
    except Exception:  # noqa: BLE001  (half a command line may be anything)
        found = []
    for value, text in found:
        sys.stdout.write(f"{value}\t{text}\n" if text else f"{value}\n")
    sys.stdout.write(f"{_FILES if words[:1] and words[0] in _TAKE_FILES else _NO_FILES}\n")
    return 0
