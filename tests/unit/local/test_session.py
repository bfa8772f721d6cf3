"""Files that are saved while `persisty local` follows others: only code that was loaded without a mistake runs, and no change is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persisty.errors import InvalidDeclaration
from persisty.local import declaration
from persisty.local.declaration import contents_of, read_declaration
from persisty.local.emulator import Emulator
from persisty.local.phases import Phases
from persisty.local.server import Front
from persisty.local.session import Project, Session

APP = """
from persisty import App, Attr, public, stored


@stored(access=public)
class Product:
    id: Attr[str]


app = App("shop", items=[Product])
"""
CHANGED = APP.replace("    id: Attr[str]\n", "    id: Attr[str]\n    name: Attr[str]\n")
BROKEN = "raise RuntimeError('no such luck')\n"
OPTIONS = {"app": "shop:app", "target": "local"}


class Recorded(Session):
    """A session without an emulator. `deployed_code`: the app's file in each deployment. `while_synthesising` is called during the next synth."""

    def __init__(self, folder: Path) -> None:
        project = Project("http://localhost:1", folder, [], OPTIONS)
        super().__init__(project, Emulator("http://localhost:1"), Front(), lambda line: None, Phases())
        self.deployed_code: list[bytes] = []
        self.synths = 0
        self.while_synthesising: Callable[[], Any] = lambda: None

    def _synth(self) -> Path:
        assembly = self._assemblies.new()
        assembly.mkdir(parents=True)
        (assembly / "Shop.template.json").write_text(json.dumps(self._declaration and self._declaration.plan))
        during, self.while_synthesising = self.while_synthesising, lambda: None
        during()
        self.synths += 1
        return assembly

    def _deploy(self, assembly: Path) -> None:
        self.deployed_code += self._contents.values()
        self._digest = "deployed"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    program = tmp_path / "node_modules" / ".bin" / "cdk"
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path / "shop.py"


@pytest.fixture
def session(app: Path) -> Recorded:
    found = Recorded(app.parent)
    found.changed([app])
    assert found.deployed_code == [APP.encode()]
    return found


def test_a_file_that_is_saved_broken_during_a_synth_is_not_deployed(session: Recorded, app: Path) -> None:
    app.write_text(CHANGED)
    session.while_synthesising = lambda: app.write_text(BROKEN)
    session.changed([app])
    with pytest.raises(InvalidDeclaration, match="no such luck"):
        session.changed([app])
    assert session.deployed_code == [APP.encode()]
    app.write_text(CHANGED)
    session.changed([app])
    assert session.deployed_code == [APP.encode(), CHANGED.encode()]
    synths = session.synths
    app.write_text(CHANGED + "# the same declaration\n")
    session.changed([app])
    assert session.synths == synths


def test_a_change_of_the_infrastructure_is_not_forgotten(session: Recorded, app: Path) -> None:
    synths = session.synths
    app.write_text(BROKEN)
    with pytest.raises(InvalidDeclaration):
        session.changed([app, app.parent / "requirements.txt"])
    assert session.synths == synths
    app.write_text(APP)
    session.changed([app])
    assert session.synths == synths + 1


def test_the_contents_of_a_declaration_are_those_that_were_loaded(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaration, "MARGIN", -60)  # it was saved a moment ago
    found = read_declaration(app.parent, OPTIONS)
    assert contents_of(found) == {Path("shop.py"): APP.encode()}
    app.write_text(CHANGED)
    assert contents_of(found) is None
    app.unlink()
    assert contents_of(found) is None


def test_a_declaration_tells_whether_an_index_may_miss_items(app: Path) -> None:
    assert not read_declaration(app.parent, OPTIONS).completes_indexes
    indexed = CHANGED.replace("name: Attr[str]", "name: Attr[str] = Attr(default='')").replace(
        "@stored(", "@stored(indexes=[Index('name')], "
    )
    app.write_text(indexed.replace("Attr, public", "Attr, Index, public"))
    assert read_declaration(app.parent, OPTIONS).completes_indexes
