"""The operator's configuration: the metric sources that Rollouts may name.

A Rollout never carries an address: whoever may create Rollouts must not be able to make the
operator send requests anywhere. Secrets stand in files of their own, which may rotate; here are
only their paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from sluice.api.rules import NAME_PATTERN

# What the client itself says in each request (RFC 9110; the parameters of Prometheus' HTTP API).
_OWN_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"transfer-encoding", "upgrade"}
)
_OWN_PARAMETERS: Final = frozenset({"query", "time", "timeout", "start", "end", "step"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST: Final = re.compile(r"[0-9A-Za-z_.-]+|[0-9A-Fa-f:.]+")
_URL: Final = re.compile(r"[!-~]+\Z")
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# These mean something to Prometheus, or to Sluice, already.
_TAKEN_LABELS: Final = frozenset({"__name__", "le"})


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and every problem."""


@dataclass(frozen=True, slots=True)
class FromFile:
    """A value that stands in a file, read anew for every request."""

    path: Path


def is_header_text(text: str) -> bool:
    """Whether it can be the value of a header: printable ASCII, no line break, no outer space."""
    return text.isascii() and text.isprintable() and text == text.strip() != ""


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("configuration", "{sentence}", {"sentence": sentence})


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.port != 0
        is_url = is_url and bool(_HOST.fullmatch(parts.hostname or "")) and bool(_URL.match(url))
    except ValueError:
        is_url = False
    if not is_url:
        raise _refusal("write a URL such as http://prometheus.monitoring:9090")
    if parts.username is not None or parts.password is not None:
        raise _refusal("write the URL without user and password; for these there is basicAuth")
    if parts.query or parts.fragment:
        raise _refusal("write the URL without '?' and '#'; for '?' there is parameters")
    return url.rstrip("/")


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise _refusal("write a name of lower case letters, digits and '-', such as default")
    return name


def _check_path(path: Any) -> Path:
    text = str(path) if isinstance(path, Path) else path
    if not isinstance(text, str) or not text.startswith("/") or not text.isprintable():
        raise _refusal("write the path of a file, from '/' on")
    return Path(text)


def _check_header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise _refusal("write a header's name, such as X-Scope-OrgID")
    if name.lower() in _OWN_HEADERS:
        raise _refusal("this header is Sluice's own to send: remove it")
    return name


def _check_header(value: Any) -> str | FromFile:
    if isinstance(value, FromFile):
        return value
    if isinstance(value, dict) and set(value) == {"file"}:
        return FromFile(_check_path(value["file"]))
    if not isinstance(value, str) or not is_header_text(value):
        raise _refusal("write a text in quotes, of one line, or {file: /path/of/a/file}")
    return value


def _check_parameter_name(name: str) -> str:
    if name in _OWN_PARAMETERS:
        raise _refusal("this parameter is Sluice's own to send: remove it")
    return name


def _check_parameter(value: Any) -> tuple[str, ...]:
    texts = value if isinstance(value, list | tuple) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _refusal("write a text in quotes, or a list of them")
    return tuple(texts)


def _check_user(name: str) -> str:
    if ":" in name or not is_header_text(name):
        raise _refusal("write a user's name, without ':'")
    return name


def _check_label(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name in _TAKEN_LABELS:
        raise _refusal("write the name of a label, such as pod")
    return name


FilePath = Annotated[Path, PlainValidator(_check_path)]
Label = Annotated[str, AfterValidator(_check_label)]
# Values may be secrets: they are in no message and in no repr.
Headers = Mapping[
    Annotated[str, AfterValidator(_check_header_name)],
    Annotated[str | FromFile, PlainValidator(_check_header)],
]
Parameters = Mapping[
    Annotated[str, AfterValidator(_check_parameter_name)],
    Annotated[tuple[str, ...], PlainValidator(_check_parameter)],
]


class _Strict(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )


class BasicAuth(_Strict):
    """User and password."""

    username: Annotated[str, AfterValidator(_check_user)]
    password_file: FilePath


class TLS(_Strict):
    """Whom to trust, and who to be. Without a CA file the system's authorities are trusted."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise _refusal("write both certFile and keyFile, or neither")
        return self


class Labels(_Strict):
    """What the labels are called there that say whose a series is."""

    pod: Label = "pod"
    namespace: Label = "namespace"

    @model_validator(mode="after")
    def _check_apart(self) -> Self:
        if self.pod == self.namespace:
            raise _refusal("write different names for pod and namespace")
        return self


class Source(_Strict):
    """A Prometheus, or what speaks its API."""

    url: Annotated[str, AfterValidator(_check_url)]
    timeout_seconds: float = Field(default=5.0, gt=0, le=60, allow_inf_nan=False, strict=True)
    # Queries that this server has to answer at once; the others wait for their turn.
    max_in_flight: int = Field(default=8, ge=1, le=100, strict=True)
    headers: Headers = Field(default_factory=dict, repr=False)
    bearer_token_file: FilePath | None = None
    basic_auth: BasicAuth | None = None
    tls: TLS = TLS()
    parameters: Parameters = Field(default_factory=dict, repr=False)
    labels: Labels = Labels()

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        ways = (
            "authorization" in {name.lower() for name in self.headers},
            self.bearer_token_file is not None,
            self.basic_auth is not None,
        )
        if sum(ways) > 1:
            raise _refusal(
                "write one of bearerTokenFile, basicAuth and the header Authorization, not several"
            )
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise _refusal("write each of the headers once: their names have no case")
        if self.tls != TLS() and not self.url.startswith("https:"):
            raise _refusal("write https in the URL, or remove tls")
        return self


class Config(_Strict):
    """Everything that is configured."""

    sources: Mapping[Annotated[str, AfterValidator(_check_name)], Source] = Field(
        default_factory=dict
    )


class _Loader(yaml.SafeLoader):
    """As SafeLoader, but a field that is written twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        fields = super().construct_mapping(node, deep=deep)
        # Fields that `<<` merges in are no second ones: they have been put before the own.
        own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(own)) < len(own):
            raise yaml.constructor.ConstructorError(
                "while reading fields", node.start_mark, "a field is there twice", node.start_mark
            )
        return fields


def parse(text: str, *, name: str = "configuration") -> Config:
    """The configuration in YAML. ConfigError says what is wrong, and in which field."""
    try:
        content: Any = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML{_place(error)}") from None
    try:
        return Config.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [_sentence(detail) for detail in error.errors(include_url=False)]
    raise ConfigError(f"{name}: {'; '.join(problems)}")


def _place(error: yaml.YAMLError) -> str:
    """Where it is wrong. The library's own message quotes the text, and so secrets."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ""
    twice = ", a field is there twice" if "twice" in str(getattr(error, "problem", "")) else ""
    return f": line {mark.line + 1}, column {mark.column + 1}{twice}"


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
        case "string_type":
            return f"{field}: write a text in quotes"
        case _:
            return f"{field}: {detail['msg']}"


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError when it cannot be read or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path} cannot be read: {why}") from None
    return parse(text, name=str(path))
