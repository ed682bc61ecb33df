"""Which cluster, namespace and user: as kubectl would choose them."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.cli import kubeconfig
from sluice.cli.errors import Unreachable
from sluice.cli.kubeconfig import Options, load


def write(folder: Path, name: str, **config: Any) -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump(config))
    return file


def cluster(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "cluster": {"server": f"https://{name}.example:6443", **values}}


def context(name: str, of: str, user: str = "u", **values: Any) -> dict[str, Any]:
    return {"name": name, "context": {"cluster": of, "user": user, **values}}


def user(**values: Any) -> dict[str, Any]:
    return {"name": "u", "user": values}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_current_context_and_its_namespace(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "a",
        clusters=[cluster("one")],
        users=[user(token="t")],
        contexts=[context("x", "one", namespace="shop")],
        **{"current-context": "x"},
    )

    access = load(Options(kubeconfig=str(file)))

    assert access.server == "https://one.example:6443"
    assert access.namespace == "shop"
    assert access.headers == {"Authorization": "Bearer t"}


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "a",
        clusters=[cluster("one"), cluster("two")],
        users=[user(token="t")],
        contexts=[context("x", "one", namespace="shop"), context("y", "two")],
        **{"current-context": "x"},
    )

    access = load(Options(context="y", namespace="till", impersonate="jane", kubeconfig=str(file)))

    assert access.server == "https://two.example:6443"
    assert access.namespace == "till"
    assert access.headers["Impersonate-User"] == "jane"


def test_several_files_are_merged_the_first_entry_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path, "a", clusters=[cluster("one")], **{"current-context": "y"})
    second = write(
        tmp_path,
        "b",
        clusters=[cluster("one", server="https://other"), cluster("two")],
        contexts=[context("x", "two"), context("y", "one")],
        users=[user(token="t")],
        **{"current-context": "x"},
    )
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")

    access = load(Options())

    assert access.server == "https://one.example:6443"
    assert kubeconfig.context_names(Options()) == ["x", "y"]


def test_relative_paths_begin_at_their_file(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ca.crt").write_text("-----CA")
    (tmp_path / "token").write_text("from-file\n")
    file = write(
        tmp_path,
        "a",
        clusters=[cluster("one", **{"certificate-authority": "keys/ca.crt"})],
        contexts=[context("x", "one")],
        users=[user(tokenFile="token")],
        **{"current-context": "x"},
    )

    access = load(Options(kubeconfig=str(file)))

    assert access.ca == "-----CA"
    assert access.headers == {"Authorization": "Bearer from-file"}


def test_data_win_over_files(tmp_path: Path) -> None:
    data = base64.b64encode(b"-----DATA").decode()
    keys = {"certificate-authority": "missing", "certificate-authority-data": data}
    file = write(
        tmp_path,
        "a",
        clusters=[cluster("one", **keys)],
        contexts=[context("x", "one")],
        users=[user(username="joe", password="p")],
        **{"current-context": "x"},
    )

    access = load(Options(kubeconfig=str(file)))

    assert access.ca == "-----DATA"
    assert access.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("config", "options", "sentence"),
    [
        ({}, {}, "no current context"),
        ({"contexts": [context("x", "one")]}, {"context": "z"}, 'context "z" is not in'),
        ({"contexts": [context("x", "one")]}, {"context": "x"}, 'cluster "one" is missing'),
        (
            {"contexts": [context("x", "one")], "clusters": [cluster("one")]},
            {"context": "x"},
            'user "u" is missing',
        ),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, config: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    file = write(tmp_path, "a", **config)

    with pytest.raises(Unreachable, match=sentence):
        load(Options(kubeconfig=str(file), **options))


def test_no_kubeconfig_at_all_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"home/\.kube/config"):
        load(Options())
    with pytest.raises(Unreachable, match="--kubeconfig"):
        load(Options(kubeconfig=str(tmp_path / "nothing")))


def test_in_a_pod_the_service_account_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("token", "pod"), ("namespace", "here"), ("ca.crt", "-----CA")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    access = load(Options())

    assert access.server == "https://10.0.0.1:443"
    assert access.namespace == "here"
    assert access.headers == {"Authorization": "Bearer pod"}


def with_plugin(folder: Path, script: str, **more: Any) -> Options:
    program = folder / "plugin.py"
    program.write_text(script)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(program)],
        "env": [{"name": "WHO", "value": "joe"}],
        **more,
    }
    file = write(
        folder,
        "a",
        clusters=[cluster("one")],
        contexts=[context("x", "one")],
        users=[user(exec=plugin)],
        **{"current-context": "x"},
    )
    return Options(kubeconfig=str(file))


def test_a_program_gives_the_token(tmp_path: Path) -> None:
    script = (
        "import json, os\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "token = os.environ['WHO'] + '@' + info['spec']['cluster']['server']\n"
        "print(json.dumps({'status': {'token': token, 'clientCertificateData': 'C'}}))\n"
    )

    access = load(with_plugin(tmp_path, script, provideClusterInfo=True))

    assert access.headers == {"Authorization": "Bearer joe@https://one.example:6443"}
    assert access.certificate == "C"


@pytest.mark.parametrize(
    ("script", "more", "sentence"),
    [
        ("raise SystemExit(3)", {}, "exit code 3"),
        ("print('hello')", {}, "no ExecCredential"),
        ("", {"command": "no-such-plugin", "installHint": "get it"}, "not on PATH: get it"),
        ("", {"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "known are"),
    ],
)
def test_a_program_that_fails_is_named(
    tmp_path: Path, script: str, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Unreachable, match=sentence):
        load(with_plugin(tmp_path, script, **more))
