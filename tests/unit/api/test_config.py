from __future__ import annotations

from pathlib import Path

import pytest

from sluice.api.config import ConfigError, Source, load, parse

PROMETHEUS = "http://prometheus.monitoring:9090"


def test_a_source_has_a_url_and_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"sources:\n  default: {{url: {PROMETHEUS}/}}\n"
        "  far: {url: https://metrics.example.com/prom, timeoutSeconds: 10}\n",
        encoding="utf-8",
    )

    assert dict(load(path).sources) == {
        "default": Source(url=PROMETHEUS, timeout_seconds=5.0),
        "far": Source(url="https://metrics.example.com/prom", timeout_seconds=10.0),
    }


@pytest.mark.parametrize("text", ["", "{}", "sources: {}"])
def test_an_operator_may_have_no_source(text: str) -> None:
    assert not parse(text).sources


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "is not YAML"),
        ("- 1", "write fields"),
        ("source: {}", "source is not known here"),
        ("sources: {default: {}}", "sources.default.url is missing"),
        ("sources: {default: {url: prometheus:9090}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'http://['}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'http://p:x'}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'http://'}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'ftp://p'}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'http://me:secret@p'}}", "without user and password"),
        ("sources: {default: {url: 'http://p/?a=b'}}", "without '?' and '#'"),
        ("sources: {default: {url: 'http://p', timeoutSeconds: 0}}", "timeoutSeconds"),
        ("sources: {default: {url: 'http://p', timeoutSeconds: .nan}}", "timeoutSeconds"),
        ("sources: {default: {url: 'http://p', timeout: 5}}", "timeout is not known here"),
        ("sources: {Prod Metrics: {url: 'http://p'}}", "write a name of lower case letters"),
    ],
)
def test_a_mistake_is_told_with_its_field(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="config.yaml")

    assert str(caught.value).startswith("config.yaml")
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
