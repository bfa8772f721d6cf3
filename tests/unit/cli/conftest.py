"""Runs of the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from persisty.cli.main import main

SHOP = "tests.unit.cli.shop:app"


class Run(NamedTuple):
    code: int | str | None
    out: str
    err: str


Persisty = Callable[..., Run]


@pytest.fixture
def persisty(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Persisty:
    """Run `persisty` with these arguments. No setting of the developer's shell reaches it."""
    for variable in ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        return Run(left.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"
