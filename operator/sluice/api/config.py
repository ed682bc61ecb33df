"""The operator's configuration: the metric sources that Rollouts may name.

A Rollout never carries an address: whoever may create Rollouts must not be able to make the
operator send requests anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from sluice.api.rules import NAME_PATTERN


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and every problem."""


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise _refusal("write a URL such as http://prometheus.monitoring:9090")
    if parts.username or parts.password:
        raise _refusal("write the URL without user and password")
    if parts.query or parts.fragment:
        raise _refusal("write the URL without '?' and '#'")
    return url.rstrip("/")


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise _refusal("write a name of lower case letters, digits and '-', such as default")
    return name


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("configuration", "{sentence}", {"sentence": sentence})


class _Strict(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class Source(_Strict):
    """A Prometheus, or what speaks its API."""

    url: Annotated[str, AfterValidator(_check_url)]
    timeout_seconds: float = Field(default=5.0, gt=0, le=60, allow_inf_nan=False)


class Config(_Strict):
    """Everything that is configured."""

    sources: Mapping[Annotated[str, AfterValidator(_check_name)], Source] = Field(
        default_factory=dict
    )


def parse(text: str, *, name: str = "configuration") -> Config:
    """The configuration in YAML. ConfigError says what is wrong, and in which field."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {error}") from None
    try:
        return Config.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [_sentence(detail) for detail in error.errors(include_url=False)]
    raise ConfigError(f"{name}: {'; '.join(problems)}")


def _sentence(detail: ErrorDetails) -> str:
    """One problem. The value is not shown: it may be a URL with a password."""
    field = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    match detail["type"]:
        case "missing":
            return f"{field} is missing: write it"
        case "extra_forbidden":
            return f"{field} is not known here: remove it or correct its name"
        case "model_type" | "dict_type" | "mapping_type":
            return f"{field or 'the file'}: write fields"
        case _:
            return f"{field}: {detail['msg']}"


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError when it cannot be read or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return parse(text, name=str(path))
