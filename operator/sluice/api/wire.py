"""What every part of a stored object has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def said(description: str) -> Any:
    """An optional field and what it means."""
    return Field(default=None, description=description)


class Wire(BaseModel):
    """A part of a stored object: unknown fields are ignored, types are taken strictly."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        strict=True,
        validate_default=True,
    )
