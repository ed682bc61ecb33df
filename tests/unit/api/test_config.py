from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sluice.api.config import TLS, BasicAuth, ConfigError, FromFile, Labels, Source, load, parse

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


def test_everything_that_a_source_may_have() -> None:
    text = """
    sources:
      far:
        url: https://metrics.example.com/prom/
        timeoutSeconds: 10
        maxInFlight: 4
        headers:
          X-Scope-OrgID: shop
          X-Api-Key: {file: /etc/sluice/key}
        basicAuth: {username: sluice, passwordFile: /etc/sluice/password}
        tls: {caFile: /etc/tls/ca.crt, certFile: /etc/tls/tls.crt, keyFile: /etc/tls/tls.key}
        parameters: {dedup: "true", "extra_filters[]": ['{a="b"}', '{c="d"}']}
        labels: {pod: kube_pod, namespace: kube_namespace}
    """
    assert parse(text).sources["far"] == Source(
        url="https://metrics.example.com/prom",
        timeout_seconds=10.0,
        max_in_flight=4,
        headers={"X-Scope-OrgID": "shop", "X-Api-Key": FromFile(Path("/etc/sluice/key"))},
        basic_auth=BasicAuth(username="sluice", password_file=Path("/etc/sluice/password")),
        tls=TLS(
            ca_file=Path("/etc/tls/ca.crt"),
            cert_file=Path("/etc/tls/tls.crt"),
            key_file=Path("/etc/tls/tls.key"),
        ),
        parameters={"dedup": ("true",), "extra_filters[]": ('{a="b"}', '{c="d"}')},
        labels=Labels(pod="kube_pod", namespace="kube_namespace"),
    )


def test_the_configuration_that_is_deployed_can_be_used() -> None:
    path = Path(__file__).parents[3] / "deploy/operator/20-config.yaml"
    text = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["config.yaml"]
    assert set(parse(text).sources) == {"default"}
    # What it shows in comments can be used, too.
    lines = [line.replace("# ", "", 1) for line in text.splitlines()]
    assert set(parse("\n".join(lines)).sources) == {"default", "example"}


def test_what_may_be_secret_is_in_no_repr() -> None:
    source = Source(url=PROMETHEUS, headers={"X-Key": "secret"}, parameters={"key": ("secret",)})
    assert "secret" not in repr(source)


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
        ("sources: {default: {url: 'http://p q'}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 'http://p\u00e4'}}", f"write a URL such as {PROMETHEUS}"),
        ("sources: {default: {url: 5}}", "sources.default.url: write a text in quotes"),
        ("sources:\n  a: {url: 'http://p'}\n  a: {url: 'http://q'}", "a field is there twice"),
        ("a: *secret", "is not YAML: line 1, column 4"),
        ("a: 'secret", "is not YAML: line 1"),
        ("{[secret]: 5}", "is not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_field(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="config.yaml")

    assert str(caught.value).startswith("config.yaml")
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


TEXT_OR_FILE = "write a text in quotes, of one line, or {file: /path/of/a/file}"
OWN_HEADER = "this header is Sluice's own to send: remove it"
PATH = "write the path of a file, from '/' on"
ONE_WAY = "write one of bearerTokenFile, basicAuth and the header Authorization, not several"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("timeoutSeconds: '5'", "sources.a.timeoutSeconds: Input should be a valid number"),
        ("maxInFlight: 0", "sources.a.maxInFlight: Input should be greater than or equal to 1"),
        ("maxInFlight: true", "sources.a.maxInFlight: Input should be a valid integer"),
        ("headers: [secret]", "sources.a.headers: write fields"),
        ("headers: {X-A: 5}", f"sources.a.headers.X-A: {TEXT_OR_FILE}"),
        ("headers: {X-A: ''}", f"sources.a.headers.X-A: {TEXT_OR_FILE}"),
        ('headers: {X-A: "secret\\r\\nX-B: c"}', f"sources.a.headers.X-A: {TEXT_OR_FILE}"),
        ("headers: {X-A: s\u00e9cret}", f"sources.a.headers.X-A: {TEXT_OR_FILE}"),
        ("headers: {X-A: {fiel: /x}}", f"sources.a.headers.X-A: {TEXT_OR_FILE}"),
        ("headers: {X-A: {file: x}}", f"sources.a.headers.X-A: {PATH}"),
        ("headers: {'X A': secret}", "write a header's name, such as X-Scope-OrgID"),
        ("headers: {HOST: secret}", f"sources.a.headers.HOST: {OWN_HEADER}"),
        ("headers: {Content-Length: '5'}", f"sources.a.headers.Content-Length: {OWN_HEADER}"),
        ("headers: {X-A: a, x-a: b}", "sources.a: write each of the headers once"),
        ("bearerToken: secret", "sources.a.bearerToken is not known here: remove it"),
        ("bearerTokenFile: secret", f"sources.a.bearerTokenFile: {PATH}"),
        ("bearerTokenFile: 5", f"sources.a.bearerTokenFile: {PATH}"),
        ("basicAuth: {username: a}", "sources.a.basicAuth.passwordFile is missing: write it"),
        ("basicAuth: {username: 'a:secret', passwordFile: /x}", "a user's name, without ':'"),
        ("basicAuth: secret", "sources.a.basicAuth: write fields"),
        (
            "basicAuth: {username: a, passwordFile: /x}, bearerTokenFile: /x",
            f"sources.a: {ONE_WAY}",
        ),
        ("headers: {authorization: secret}, bearerTokenFile: /x", f"sources.a: {ONE_WAY}"),
        ("tls: {caFile: ./ca}", f"sources.a.tls.caFile: {PATH}"),
        ("tls: {certFile: /x}", "sources.a.tls: write both certFile and keyFile, or neither"),
        ("tls: {insecureSkipVerify: true}", "sources.a.tls.insecureSkipVerify is not known here"),
        ("parameters: {query: up}", "sources.a.parameters.query: this parameter is Sluice's own"),
        ("parameters: {a: true}", "sources.a.parameters.a: write a text in quotes, or a list"),
        ("parameters: {a: []}", "sources.a.parameters.a: write a text in quotes, or a list"),
        ("labels: {pod: a-b}", "sources.a.labels.pod: write the name of a label, such as pod"),
        ("labels: {pod: le}", "sources.a.labels.pod: write the name of a label, such as pod"),
        ("labels: {pod: namespace}", "sources.a.labels: write different names"),
    ],
)
def test_a_mistake_in_a_source_is_told_with_its_field(fields: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"sources: {{a: {{url: 'https://p', {fields}}}}}")

    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_tls_is_for_https() -> None:
    with pytest.raises(ConfigError, match=r"sources\.a: write https in the URL, or remove tls"):
        parse("sources: {a: {url: 'http://p', tls: {caFile: /x}}}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
