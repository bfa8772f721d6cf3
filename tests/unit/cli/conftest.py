"""Runs of the command line in this process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from persisty import App
from persisty.cli.main import main

SHOP = "tests.unit.cli.shop:app"


class Run(NamedTuple):
    code: int | str | None
    out: str
    err: str


Persisty = Callable[..., Run]
Declare = Callable[..., str]


@pytest.fixture
def persisty(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Persisty:
    """Run `persisty` with these arguments, without the settings of the developer's shell."""
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


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Restore the logger that `persisty serve` configures, because Powertools uses the same logger in other tests."""
    logger = logging.getLogger("persisty")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Return a function that makes an app of items and returns its name as `module:attribute`."""

    def make(*items: type[Any]) -> str:
        module = ModuleType("garage")
        module.app = App("garage", items=items)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "garage", module)
        return "garage:app"

    return make
