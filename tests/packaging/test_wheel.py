"""The wheel, built from the files of the repository, has everything that an app needs in an empty directory."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_build import PagesHook

ROOT = Path(__file__).parents[2]


def metadata(wheel: Path) -> email.message.Message:
    with ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_it_has_the_pages_the_license_and_the_marker_of_types(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    pages = {"graphiql.js", "graphiql.css", "react.js", "react-dom.js", "swagger-ui.js", "swagger-ui.css"}
    assert names >= {f"persisty/hosting/static/{page}" for page in pages} | {"persisty/py.typed"}
    assert names >= {f"persisty/cli/templates/common/{file}" for file in ("gitignore", "pyproject.toml", "README.md")}
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_it_has_the_constructs_the_handlers_and_the_requirements_of_layers(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, package in (("stacks", "persisty_cdk"), ("lambdas", "persisty_lambdas")):
        files = [path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()]
        expected = {f"{package}/{path.as_posix()}" for path in files if "__pycache__" not in path.parts}
        assert {name for name in names if name.startswith(f"{package}/")} == expected


def test_a_source_distribution_has_what_the_wheel_is_built_from(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    [file] = tmp_path.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        "LICENSE",
        "README.md",
        "hatch_build.py",
        "persisty/py.typed",
        "stacks/persisty_app.py",
        "lambdas/rest.py",
    }
    assert names >= needed | {"lambdas/requirements/base.txt", "stacks/constructs/link.js"}


def test_it_installs_no_package_under_other_names(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert all(top.startswith("persisty") for top in tops), tops


def test_its_metadata_describes_it_and_names_extras_after_tasks(wheel: Path) -> None:
    found = metadata(wheel)
    assert found["License-Expression"] == "MIT"
    assert found["Summary"]
    assert {"server", "postgresql", "aws", "deploy", "client", "testing", "all"} <= {
        *found.get_all("Provides-Extra", [])
    }
    assert "Typing :: Typed" in found.get_all("Classifier", [])


def test_the_build_says_that_node_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    hook = PagesHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel")  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match="Node 20 or later to build: npm is not installed"):
        hook.initialize("standard", {})
    assert hook.initialize("editable", {}) is None
