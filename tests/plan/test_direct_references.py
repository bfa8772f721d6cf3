"""Requirements that name a place: packages of a monorepo, files, repositories. They are built as wheels of pure Python first."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from persisty import InvalidDeclaration
from persisty.deploy import pip_configuration
from stacks.constructs import code, wheels
from stacks.constructs.code import dependency_layer
from stacks.constructs.direct_references import Reference, reference_in
from stacks.constructs.requirements import Requirements, read_requirements, requirements_of
from stacks.constructs.target import Target
from stacks.constructs.wheels import install

from .test_requirements import BACKEND, PROJECT, source

TARGET = Target("arm64", "3.13")
PURE, COMPILED = "py3-none-any", "cp313-cp313-linux_x86_64"


def project(folder: Path, name: str, tag: str = PURE) -> Path:
    """Write a project with its own build backend."""
    folder.mkdir(parents=True)
    (folder / "backend.py").write_text(BACKEND.format(name=name, tag=tag))
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name))
    return folder


def repository(folder: Path) -> str:
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return f"git+file://{folder}"


@pytest.mark.parametrize(
    ("line", "name", "place", "extras", "marker"),
    [
        ("-e ./common", "common", "common", "", ""),
        ("--editable=common[fast]", "common", "common", "[fast]", ""),
        ("./common[fast] ; python_version < '4'", "common", "common", "[fast]", "python_version < '4'"),
        ("core @ file://{folder}/common", "core", "common", "", ""),
        ("file://{folder}/common", "common", "common", "", ""),
    ],
)
def test_a_line_that_names_a_project_is_read(
    line: str, name: str, place: str, extras: str, marker: str, tmp_path: Path
) -> None:
    project(tmp_path / "common", "common")
    found = reference_in(line.format(folder=tmp_path), tmp_path)
    assert found == Reference(f"{tmp_path / place}{extras}", name, str(tmp_path / place), extras, marker)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("git+https://example.com/core.git@v1#egg=core", "core"),
        ("core[fast] @ git+ssh://git@example.com/core.git ; python_version < '4'", "core"),
        ("-e git+https://example.com/core.git#subdirectory=x&egg=core", "core"),
        ("core @ https://example.com/core-1.0.tar.gz --hash=sha256:00", "core"),
    ],
)
def test_a_line_that_names_a_repository_or_an_archive_is_read(line: str, name: str, tmp_path: Path) -> None:
    found = reference_in(line, tmp_path)
    assert found is not None
    assert (found.name, found.path, found.line) == (name, None, line.removeprefix("-e "))


@pytest.mark.parametrize(
    "line", ["stripe>=12", "stripe[fast]==1.0 ; python_version < '4'", "--index-url https://example.com/simple", "stripe @ https://example.com/stripe-1.0-py3-none-any.whl", "-r other.txt"]
)  # fmt: skip
def test_a_line_that_pip_resolves_for_a_target_is_no_reference(line: str, tmp_path: Path) -> None:
    assert reference_in(line, tmp_path) is None


def test_packages_of_a_monorepo_are_installed_with_a_lock_and_its_hashes(tmp_path: Path) -> None:
    source(tmp_path / "index", "purely", BACKEND.format(name="purely", tag=PURE))
    [archive] = (tmp_path / "index").iterdir()
    project(tmp_path / "packages/common", "common")
    digest = sha256(archive.read_bytes()).hexdigest()
    lock = (
        f"--no-index\n--find-links {tmp_path}/index\n-e ./packages/common\npurely==1.0 \\\n    --hash=sha256:{digest}\n"
    )
    (tmp_path / "requirements.txt").write_text(lock)
    found = read_requirements(tmp_path / "requirements.txt")
    assert found.hashed
    install(found, TARGET, tmp_path / "layer")
    assert {one.stem for one in (tmp_path / "layer").glob("*.py")} == {"common", "purely"}


def test_a_repository_is_installed(tmp_path: Path) -> None:
    url = repository(project(tmp_path / "core", "core"))
    (tmp_path / "requirements.txt").write_text(f"--no-index\ncore @ {url}\n")
    install(read_requirements(tmp_path / "requirements.txt"), TARGET, tmp_path / "layer")
    assert (tmp_path / "layer/core.py").is_file()


@pytest.mark.parametrize("remote", [True, False])
def test_code_that_would_be_compiled_for_this_machine_is_refused(remote: bool, tmp_path: Path) -> None:
    folder = project(tmp_path / "core", "core", COMPILED)
    (tmp_path / "requirements.txt").write_text(f"--no-index\n{repository(folder) if remote else '-e core'}\n")
    with pytest.raises(InvalidDeclaration, match=r"The requirement \S+ cannot be installed for functions") as caught:
        install(read_requirements(tmp_path / "requirements.txt"), TARGET, tmp_path / "layer")
    assert caught.value.faults[0].message.startswith("Has code that is compiled")


def test_a_wheel_of_this_machine_is_installed_as_it_is(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(BACKEND.format(name="core", tag=PURE), namespace)
    namespace["build_wheel"](str(tmp_path))
    (tmp_path / "requirements.txt").write_text("--no-index\n./core-1.0-py3-none-any.whl\n")
    install(read_requirements(tmp_path / "requirements.txt"), TARGET, tmp_path / "layer")
    assert (tmp_path / "layer/core.py").is_file()


def test_the_project_of_the_app_stands_for_its_dependencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src/stand").mkdir(parents=True)
    (tmp_path / "src/stand/__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "stand"\ndependencies = ["stripe>=12"]\n')
    (tmp_path / "requirements.txt").write_text("-e .\nattrs\n")
    monkeypatch.syspath_prepend(tmp_path / "src")
    assert requirements_of("stand.app:app", str(tmp_path / "requirements.txt")) == Requirements(("stripe>=12", "attrs"))


def test_persisty_from_a_folder_is_left_out(tmp_path: Path) -> None:
    project(tmp_path / "persisty", "persisty")
    (tmp_path / "requirements.txt").write_text("-e ./persisty\npersisty[aws] @ git+https://example.com/persisty.git\n")
    assert read_requirements(tmp_path / "requirements.txt") == Requirements()


def test_the_hash_of_a_layer_is_that_of_the_files_of_its_projects_and_not_of_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "install", lambda *_, **__: None)
    monkeypatch.setattr(code, "compile_folder", lambda *_, **__: None)

    def hashes(root: Path) -> Iterator[str]:
        common = project(root / "common", "common")
        (root / "requirements.txt").write_text("-e ./common\n")
        (root / "stall").mkdir()
        (root / "stall/__init__.py").write_text("")
        monkeypatch.chdir(root)
        yield dependency_layer("base", "stall:app", TARGET, "requirements.txt").name
        for ignored in ("build", "common.egg-info", ".git"):
            (common / ignored).mkdir()
            (common / ignored / "file").write_text("x")
        yield dependency_layer("base", "stall:app", TARGET, "requirements.txt").name
        (common / "more.py").write_text("x = 1\n")
        yield dependency_layer("base", "stall:app", TARGET, "requirements.txt").name

    here, built, changed = hashes(tmp_path / "here")
    assert here == built != changed
    assert next(hashes(tmp_path / "there")) == here


@pytest.mark.parametrize(
    ("content", "path", "command"),
    [
        ('[project]\ndependencies = ["common", "stripe"]\n[tool.uv.sources]\ncommon = {workspace = true}\n', "/requirements/common", "uv export"),
        ('[tool.poetry.dependencies]\npython = "^3.13"\nstripe = "^12"\n', "/requirements", "poetry export"),
        ('[project]\nname = "shop"\ndynamic = ["dependencies"]\n', "/requirements", ""),
    ],
)  # fmt: skip
def test_dependencies_that_pip_would_read_otherwise_have_to_be_exported(
    content: str, path: str, command: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(InvalidDeclaration, match=r"Export them to a requirements\.txt") as caught:
        read_requirements(tmp_path / "pyproject.toml")
    [fault] = caught.value.faults
    assert (fault.path, (fault.expected or "").startswith(command)) == (path, True)


def test_sources_of_packages_that_are_not_required_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["stripe"]\n[tool.uv.sources]\nother = {path = "x"}\n'
    )
    assert read_requirements(tmp_path / "pyproject.toml").lines == ("stripe",)


def test_pip_reads_the_configuration_of_the_virtual_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for itself. Under another Python, of the target's version, it would read that Python's."""
    source(tmp_path / "index", "purely", BACKEND.format(name="purely", tag=PURE))
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}/index\n")
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(pip_configuration.sys, "prefix", str(tmp_path))
    assert wheels.pip_environment()["PIP_CONFIG_FILE"] == str(tmp_path / "pip.conf")
    install(Requirements(("purely",)), TARGET, tmp_path / "layer")
    assert (tmp_path / "layer/purely.py").is_file()
    monkeypatch.setenv("PIP_CONFIG_FILE", "mine")
    assert wheels.pip_environment()["PIP_CONFIG_FILE"] == "mine"
