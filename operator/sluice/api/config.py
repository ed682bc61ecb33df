"""The operator's configuration: the metric sources that Rollouts may name.

A Rollout never carries an address: whoever may create Rollouts must not be able to make the
operator send requests anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and every problem."""


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PydanticCustomError("url", "write a URL such as http://prometheus.monitoring:9090")
    if parts.username or parts.password:
        raise PydanticCustomError("url", "write the URL without user and password")
    return url.rstrip("/")


class _Strict(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class Source(_Strict):
    """A Prometheus, or what speaks its API."""

    url: Annotated[str, AfterValidator(_check_url)]
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)


class Config(_Strict):
    """Everything that is configured."""

    sources: Mapping[str, Source] = Field(default_factory=dict)


def parse(text: str, *, name: str = "configuration") -> Config:
    """The configuration in YAML. ConfigError says what is wrong, and in which field."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {error}") from None
    try:
        return Config.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in detail['loc']) or 'the file'}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        ]
    raise ConfigError(f"{name}: {'; '.join(problems)}")


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError when it cannot be read or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return parse(text, name=str(path))
