"""The code of functions: byte code of the target's version, hashed, and the same hash from any folder."""

from __future__ import annotations

import marshal
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from persisty import App, InvalidDeclaration, public, stored
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from stacks.constructs import byte_code, code
from stacks.constructs.byte_code import compile_folder, compiler_of
from stacks.constructs.code import function_code
from stacks.constructs.target import Target
from tests.parts import api_stack

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SOURCE = "from persisty import App\n\napp = App('press', items=[])\n"


@stored(access=public)
class Sheet:
    id: str


def planned(spec: str = "press.app:app") -> Plan:
    return plan_of(App("press", items=[Sheet], url="memory://"), spec, "none")


@pytest.fixture
def press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return _press(tmp_path / "here", monkeypatch)


def _press(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = folder / "press"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(folder)
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "press"]:
        monkeypatch.delitem(sys.modules, loaded)  # another test's
    return package


def compiled(folder: Path) -> dict[str, bytes]:
    """Module → the magic number of its byte code."""
    return {file.name.partition(".")[0]: file.read_bytes()[:4] for file in folder.rglob("*.pyc")}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_byte_code_is_of_the_target_s_version_whatever_python_synthesises(version: str, press: Path) -> None:
    found = compiler_of(version)
    assert found is not None or version != HERE
    folder = function_code(planned(), Target("arm64", version))
    assert compiled(folder / "press") == (
        {} if found is None else dict.fromkeys(("__init__", "app"), bytes.fromhex(found[1]))
    )


def test_byte_code_is_never_checked_against_times_and_names_no_folder_of_this_machine(press: Path) -> None:
    folder = function_code(planned(), Target("arm64", HERE))
    [file] = folder.glob("press/__pycache__/app.*.pyc")
    content = file.read_bytes()
    assert content[:4] == MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 0b01  # by hash, unchecked
    assert marshal.loads(content[16:]).co_filename == "press/app.py"


def test_the_hash_is_that_of_sources_target_and_byte_code_and_not_of_the_folder(
    press: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = function_code(planned(), Target("arm64", HERE)).name
    _press(tmp_path / "there", monkeypatch)
    assert function_code(planned(), Target("arm64", HERE)).name == first
    assert function_code(planned(), Target("x86_64", HERE)).name != first
    monkeypatch.setattr(code, "compiler_of", lambda version: None)
    monkeypatch.setattr(byte_code, "compiler_of", lambda version: None)
    without = function_code(planned(), Target("arm64", HERE))
    assert without.name != first
    assert compiled(without) == {}


def test_code_that_the_target_s_version_cannot_compile_stops_the_synth(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (:\n")
    with pytest.raises(ValueError, match=r"broken\.py"):
        compile_folder(tmp_path, HERE, strict=True)
    compile_folder(tmp_path, HERE, strict=False)


def test_code_that_is_larger_than_lambda_accepts_stops_the_synth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "base-layer-0123"
    folder.mkdir()
    (folder / "large.so").write_bytes(b"x" * 3_000_000)
    code.check_unzipped([folder])
    monkeypatch.setattr(code, "MAX_UNZIPPED", 1 << 20)
    with pytest.raises(
        InvalidDeclaration, match=r"/requirements: Too large \(expected at most 1 MB, unzipped, found base-layer 2 MB\)"
    ):
        code.check_unzipped([folder])


def test_a_failing_shim_is_not_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\necho not found >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler_of("3.99") is None


@pytest.mark.parametrize("lacking", [True, False])
def test_a_machine_that_cannot_compile_for_the_target_is_warned(
    lacking: bool, press: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking:
        for module in (code, byte_code, sys.modules["stacks.constructs.functions"]):
            monkeypatch.setattr(module, "compiler_of", lambda version: None)
    nothing: Any = lambda *_: press  # noqa: E731 - no layer is built
    monkeypatch.setattr(sys.modules["stacks.constructs.functions"], "dependency_layer", nothing)
    monkeypatch.setattr(sys.modules["stacks.constructs.functions"], "runtime_layer", nothing)
    stack = api_stack(cdk.App(), planned(), target=f"arm64-{HERE}")
    found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("without byte code"))
    assert bool(found) is lacking
