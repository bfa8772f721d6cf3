"""The assembly of the last start is used again while nothing has changed that it was made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from persisty.local.assemblies import _PROJECT, Assemblies
from persisty.local.declaration import Declaration
from persisty.local.deployed import assets_of
from persisty.local.deployment import SHORT_WAITS

OPTIONS = {"app": "shop:app"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".persisty" / "local").mkdir(parents=True)
    (folder / "shop.py").write_text("app = 1")
    (folder / "cdk.json").write_text("{}")
    (folder / "requirements.txt").write_text(
        f"-r ../common/base.in\nhttpx\n-e ../packages/core ; python_version > '3'\nmore @ file://{tmp_path}/packages/more\n-e .\n"
    )
    for name in ("core", "more"):
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "module.py").write_text("x = 1")
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "base.in").write_text("-c pins.txt\n")
    (tmp_path / "common" / "pins.txt").write_text("httpx==0.28.0\n")
    for file in tmp_path.rglob("*"):
        os.utime(file, (time.time() - 60, time.time() - 60))
    return folder


def declaration(project: Path, plan: str = "plan") -> Declaration:
    return Declaration(plan, str(project), ("shop.py",))


def assemblies(project: Path, *words: str) -> Assemblies:
    return Assemblies(project / ".persisty" / "local", project, words, [sys.executable])


@pytest.fixture
def assembly(project: Path) -> Path:
    some = assemblies(project)
    assert not some.recorded
    made = some.new()
    made.mkdir()
    (made / "manifest.json").write_text("{}")
    some.record(made, declaration(project), OPTIONS, time.time())
    assert some.recorded
    return made


def again(project: Path, *words: str, plan: str = "plan") -> Path | None:
    return assemblies(project, *words).unchanged(declaration(project, plan), OPTIONS)


def test_it_is_used_again_while_nothing_has_changed(project: Path, assembly: Path) -> None:
    assert again(project) == assembly
    (project / "shop.db").write_text("an item")
    (project / "cdk.out").mkdir()
    (project / "cdk.out" / "manifest.json").write_text("{}")
    assert again(project) == assembly


@pytest.mark.parametrize(
    "file",
    [
        "shop.py",
        "cdk.json",
        "requirements.txt",
        "../common/base.in",
        "../common/pins.txt",
        "../packages/core/module.py",
        "../packages/more/module.py",
    ],
)
def test_another_file_asks_for_a_synth(file: str, project: Path, assembly: Path) -> None:
    with (project / file).open("a") as changed:
        changed.write("\n# changed")
    assert again(project) is None


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("-e .", ["."]),
        ("--editable=../core[fast]", ["../core"]),
        ("./wheels/core-1.0-py3-none-any.whl", ["./wheels/core-1.0-py3-none-any.whl"]),
        ("core @ file:///srv/core", ["/srv/core"]),
        ("/srv/core ; python_version > '3'", ["/srv/core"]),
        ("-e git+https://example.com/core.git", []),
        ("core @ git+https://example.com/core.git", []),
        ("httpx==0.28.0  # ./x", []),
    ],
)
def test_lines_that_name_a_project_of_this_machine_are_found(line: str, place: list[str]) -> None:
    assert _PROJECT.findall(f"attrs\n{line}\n") == place


def test_another_plan_option_or_variable_asks_for_a_synth(
    project: Path, assembly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert again(project, plan="another") is None
    assert again(project, "--context", "graphql=http") is None
    monkeypatch.setenv("PERSISTY_LOG_LEVEL", "DEBUG")
    assert again(project) is None


def test_a_new_file_of_the_configuration_asks_for_a_synth(project: Path, assembly: Path) -> None:
    (project / "cdk.context.json").write_text("{}")
    assert again(project) is None


def _delete(assembly: Path) -> None:
    (assembly / "manifest.json").unlink()


def _damage(assembly: Path) -> None:
    (assembly.parent / "assembly.json").write_text("{")


@pytest.mark.parametrize("harm", [_delete, _damage])
def test_an_assembly_or_record_that_is_lost_asks_for_a_synth(
    harm: Callable[[Path], None], project: Path, assembly: Path
) -> None:
    harm(assembly)
    assert again(project) is None


def test_code_that_is_deleted_asks_for_a_synth(project: Path, assembly: Path) -> None:
    inside, built = assembly / "asset.aa", project / ".persisty" / "code" / "runtime-1"
    for folder in (inside, built):
        folder.mkdir(parents=True)
    files = {"aa": {"source": {"path": "asset.aa"}}, "bb": {"source": {"path": str(built)}}}
    (assembly / "Shop-dev-Api.assets.json").write_text(json.dumps({"files": files}))
    assert assets_of(assembly) == {"aa": inside, "bb": built}
    assert again(project) == assembly
    built.rmdir()
    assert again(project) is None


def test_an_assembly_is_not_recorded_if_a_file_has_changed_since_the_synth_began(project: Path, assembly: Path) -> None:
    begun = time.time()
    os.utime(project / "shop.py", (begun + 1, begun + 1))
    some = assemblies(project)
    some.record(assembly, declaration(project), OPTIONS, begun)
    assert not some.recorded


def test_other_assemblies_are_deleted(project: Path, assembly: Path) -> None:
    some = assemblies(project)
    other = some.new()
    other.mkdir()
    some.delete_others(other)
    assert (other.is_dir(), assembly.exists()) == (True, False)


def test_the_cdk_waits_for_stacks_only_shortly() -> None:
    wait = "setTimeout(() => process.exit(7), 5000); setTimeout(() => process.exit(1), 4000)"
    options = {**os.environ, "NODE_OPTIONS": f'--require "{SHORT_WAITS}"'}
    assert subprocess.run(["node", "-e", wait], env=options, check=False, timeout=60).returncode == 7
