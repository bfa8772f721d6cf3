"""The assembly of `cdk synth` with no argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.constructs import functions
from tests.e2e.deployment import API_STACK, DATA_STACK, EVENTS_STACK, synthesise

Template = dict[str, Any]


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "cdk.out"
    synthesise(folder)
    return folder


@pytest.fixture(scope="session")
def api(assembly: Path) -> Template:
    return _template(assembly, API_STACK)


@pytest.fixture(scope="session")
def data(assembly: Path) -> Template:
    return _template(assembly, DATA_STACK)


@pytest.fixture(scope="session")
def events(assembly: Path) -> Template:
    return _template(assembly, EVENTS_STACK)


@pytest.fixture
def no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every function and layer an almost empty folder, because building the code takes most of a synth."""
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "empty.py").write_text("")
    for name in ("dependency_layer", "runtime_layer", "function_code"):
        monkeypatch.setattr(functions, name, lambda *_: tmp_path / "nothing")


def _template(assembly: Path, stack: str) -> Template:
    template: Template = json.loads((assembly / f"{stack}.template.json").read_text())
    return template
