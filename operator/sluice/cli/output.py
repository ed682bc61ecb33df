"""Objects as programs want them: JSON, YAML or names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.cli.facts import Json, name_of
from sluice.cli.options import Output, Session

KIND = "rollout.sluice.dev"


def structured(session: Session, form: Output | None, value: Any) -> bool:
    """Writes the value as JSON or YAML; False where another form is asked for."""
    if form is Output.JSON:
        import json  # noqa: PLC0415

        session.screen.write(json.dumps(value, indent=2, ensure_ascii=False))
    elif form is Output.YAML:
        import yaml  # noqa: PLC0415

        session.screen.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
    else:
        return False
    return True


def object_as(session: Session, form: Output | None, raw: Json) -> bool:
    """Writes the Rollout as JSON, YAML or name; False for a form made for people."""
    if form is Output.NAME:
        session.screen.write(f"{KIND}/{name_of(raw)}")
        return True
    return structured(session, form, without_managed_fields(raw))


def objects_as(session: Session, form: Output | None, found: Sequence[Json]) -> bool:
    """Writes the Rollouts as a List or as names; False for a form made for people."""
    if form is Output.NAME:
        for raw in found:
            session.screen.write(f"{KIND}/{name_of(raw)}")
        return True
    items = [without_managed_fields(raw) for raw in found]
    return structured(session, form, {"apiVersion": "v1", "kind": "List", "items": items})


def without_managed_fields(raw: Json) -> dict[str, Any]:
    """The object as kubectl shows it; an item of a list gets its kind back."""
    meta = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    head = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Rollout"}
    return {**head, **raw, "metadata": meta}
