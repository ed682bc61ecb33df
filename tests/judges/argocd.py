"""Argo CD's verdict of an object, by the checks in deploy/argocd, run as Argo CD runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lupa import lua51

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "argocd"
CHECKS: Final = {"Rollout": FOLDER / "rollout.lua", "Deployment": FOLDER / "deployment.lua"}
# Takes away what Argo CD's Lua has not got: it opens the libraries base, package and table alone
# (its util/lua/lua.go), so that even a text has no methods.
CLOSE: Final = """
getmetatable("").__index = nil
for _, name in ipairs({"coroutine", "debug", "io", "math", "os", "python", "string"}) do
  _G[name], package.loaded[name] = nil, nil
end
"""


@dataclass(frozen=True)
class Health:
    """A verdict: Healthy, Progressing, Suspended or Degraded, and a sentence."""

    status: str
    message: str


def health(item: Mapping[str, Any]) -> Health:
    """The verdict of a Rollout or a Deployment, for which there is a check here."""
    metadata = item["metadata"]
    if "deletionTimestamp" in metadata:
        return Health("Progressing", "Pending deletion")  # before it asks any check
    lua = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    lua.execute(CLOSE)
    lua.globals().obj = _table(lua, item)
    answer = lua.execute(CHECKS[item["kind"]].read_text())
    return Health(answer.status, answer.message)


def _table(lua: lua51.LuaRuntime, value: Any) -> Any:
    """The JSON value as Lua has it: tables all the way down, lists counted from 1."""
    match value:
        case Mapping():
            return lua.table_from({key: _table(lua, child) for key, child in value.items()})
        case list() | tuple():
            return lua.table_from([_table(lua, child) for child in value])
        case _:
            return value
