"""What ends a command early: a sentence for standard error, and the exit code.

CliError
├── NotFound        there is no such Rollout, or no Rollouts at all
├── Forbidden       the user lacks a verb on a resource
├── Conflict        the object has changed since it was read
└── Unreachable     no kubeconfig, no connection, no usable credentials
"""

from __future__ import annotations

from sluice.cli.exit_codes import Exit


class CliError(Exception):
    """A sentence for the user. `code` is what the program ends with."""

    code: Exit = Exit.ERROR

    def __init__(self, sentence: str, code: Exit | None = None) -> None:
        super().__init__(sentence)
        self.code = self.code if code is None else code


class NotFound(CliError):
    """What was asked for does not exist."""

    code = Exit.NOT_FOUND


class Forbidden(CliError):
    """The user may not do this."""


class Conflict(CliError):
    """The object has another state than the one that was read."""


class Unreachable(CliError):
    """The API server cannot be asked."""
