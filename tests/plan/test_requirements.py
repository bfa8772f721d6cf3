"""The requirements of an app's functions: where they are read from, and how packages without a wheel for the target are built."""

from __future__ import annotations

import io
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from persisty import InvalidDeclaration
from stacks.constructs.byte_code import compiler_of
from stacks.constructs.requirements import Requirements, read_requirements, requirements_of
from stacks.constructs.target import Target
from stacks.constructs.wheels import install

TARGET = Target("arm64", "3.13")
BACKEND = """
import zipfile

def build_wheel(directory, settings=None, metadata=None):
    name = "{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(directory + "/" + name, "w") as wheel:
        wheel.writestr("{name}.py", "answer = 42")
        wheel.writestr("{name}-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        wheel.writestr("{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        wheel.writestr("{name}-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "{name}"\nversion = "1.0"\n'


def source(folder: Path, name: str, backend: str) -> None:
    """Write the source distribution of a package with its own build backend."""
    files = {
        "backend.py": backend,
        "pyproject.toml": PROJECT.format(name=name),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def listed(folder: Path, *names: str) -> Requirements:
    return Requirements(("--no-index", f"--find-links {folder}", *names))


def test_a_package_of_pure_python_that_is_published_as_source_is_built(tmp_path: Path) -> None:
    source(tmp_path / "index", "purely", BACKEND.format(name="purely", tag="py3-none-any"))
    install(listed(tmp_path / "index", "purely>=1.0"), TARGET, tmp_path / "layer")
    assert (tmp_path / "layer/purely.py").read_text() == "answer = 42"


@pytest.mark.parametrize(
    ("python", "glibc", "loads"),
    [("3.13", "2_28", True), ("3.11", "2_28", False)],
)
def test_wheels_are_those_that_the_runtime_s_glibc_can_load(
    python: str, glibc: str, loads: bool, tmp_path: Path
) -> None:
    version = python.replace(".", "")
    tag = f"cp{version}-cp{version}-manylinux_{glibc}_aarch64"
    namespace: dict[str, Any] = {}
    exec(BACKEND.format(name="compiled", tag=tag), namespace)
    (tmp_path / "index").mkdir()
    namespace["build_wheel"](str(tmp_path / "index"))
    wanted = listed(tmp_path / "index", "compiled"), Target("arm64", python), tmp_path / "layer"
    if loads:
        install(*wanted)
        return
    with pytest.raises(InvalidDeclaration, match="The requirement compiled"):
        install(*wanted)


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (BACKEND.format(name="compiled", tag="cp311-cp311-linux_x86_64"), "Has code that is compiled"),
        ("raise SystemExit('no compiler')\n", "Has no wheel for"),
    ],
)
def test_a_package_that_fits_no_target_is_named(backend: str, message: str, tmp_path: Path) -> None:
    source(tmp_path / "index", "compiled", backend)
    with pytest.raises(InvalidDeclaration, match=r"The requirement compiled cannot") as caught:
        install(listed(tmp_path / "index", "compiled"), TARGET, tmp_path / "layer")
    [fault] = caught.value.faults
    assert fault.path == "/requirements/compiled"
    assert fault.message.startswith(message)
    assert "arm64 and Python 3.13" in fault.message


@pytest.mark.parametrize("verified", [True, False])
def test_hashes_are_verified_of_a_source_before_it_is_built(verified: bool, tmp_path: Path) -> None:
    source(tmp_path / "index", "purely", BACKEND.format(name="purely", tag="py3-none-any"))
    [archive] = (tmp_path / "index").iterdir()
    digest = sha256(archive.read_bytes() if verified else b"").hexdigest()
    wanted = listed(tmp_path / "index", f"purely==1.0 --hash=sha256:{digest}"), TARGET, tmp_path / "layer"
    if verified:
        install(*wanted)
        assert (tmp_path / "layer/purely.py").is_file()
        return
    with pytest.raises(InvalidDeclaration, match="HASHES"):
        install(*wanted)


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(InvalidDeclaration, match="The requirement absent cannot be installed"):
        install(listed(tmp_path / "index", "absent"), TARGET, tmp_path / "layer")


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_conditions_are_those_of_the_target_if_this_machine_has_its_python(version: str, tmp_path: Path) -> None:
    source(tmp_path / "index", "purely", BACKEND.format(name="purely", tag="py3-none-any"))
    wanted = listed(tmp_path / "index", f"purely; python_version == '{version}'")
    install(wanted, Target("arm64", version), tmp_path / "layer")
    assert (tmp_path / "layer/purely.py").exists() is (compiler_of(version) is not None)


def test_files_that_are_included_are_read_and_the_deployment_s_own_libraries_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(
        "persisty[deploy]>=0.1  # the deployment\naws_cdk.lib==2.275.0\nconstructs\n\nstripe==12.0 \\\n  --hash=sha256:00\n"
        "-r more/base.txt\n--constraint=limits.txt\n"
    )
    (tmp_path / "more/base.txt").write_text("attrs\n-r base.txt\n-r ../requirements.txt\n")
    (tmp_path / "limits.txt").write_text("attrs<26\n")
    found = read_requirements(tmp_path / "requirements.txt")
    assert found == Requirements(("stripe==12.0    --hash=sha256:00", "attrs"), ("attrs<26",))
    assert found.hashed


def test_dependencies_of_a_pyproject_count(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\ndependencies = ["persisty[server]", "stripe>=12"]\n'
    )
    assert read_requirements(tmp_path / "pyproject.toml").lines == ("stripe>=12",)


@pytest.mark.parametrize("line", ["-e ../absent", "./absent[extra]", "absent @ file:///absent"])
def test_a_project_that_is_not_on_this_machine_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(InvalidDeclaration, match="is not on this machine"):
        read_requirements(tmp_path / "requirements.txt")


def test_an_included_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r absent.txt\n")
    with pytest.raises(InvalidDeclaration, match=r"includes absent\.txt"):
        read_requirements(tmp_path / "requirements.txt")
    with pytest.raises(InvalidDeclaration, match=r"no file absent\.txt"):
        requirements_of("nowhere:app", str(tmp_path.relative_to(tmp_path) / "absent.txt"))


def test_the_file_in_the_app_s_package_comes_before_the_project_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "src/stall").mkdir(parents=True)
    (project / "src/stall/__init__.py").write_text("")
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project / "src")
    assert requirements_of("stall.app:app") == Requirements()
    places = [
        project / "pyproject.toml",
        project / "requirements.txt",
        project / "src/pyproject.toml",
        project / "src/stall/requirements.txt",
    ]
    for number, file in enumerate(places):
        toml = file.suffix == ".toml"
        file.write_text(f'[project]\ndependencies = ["number-{number}"]\n' if toml else f"number-{number}\n")
        assert requirements_of("stall.app:app").lines == (f"number-{number}",)
    assert requirements_of("stall.app:app", "requirements.txt").lines == ("number-1",)
