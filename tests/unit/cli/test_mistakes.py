"""Mistakes of a call of the command line: each is one line that names it, not a traceback."""

from __future__ import annotations

import enum
import logging
import multiprocessing
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from persisty import App, public, stored
from persisty.cli import cdk_options, server_process
from persisty.cli.server_process import Options

from .conftest import SHOP, Persisty

VALUES = [
    ("PERSISTY_LOG_LEVEL", "LOUD", "one of CRITICAL, ERROR, WARNING, INFO, DEBUG"),
    ("PERSISTY_METRICS", "maybe", "one of on, off"),
    ("PERSISTY_ACCESS_LOG", "no", "one of on, off"),
    ("PERSISTY_GRAPHQL_INTROSPECTION", "false", "one of on, off"),
]


@pytest.mark.parametrize(("variable", "value", "expected"), VALUES)
def test_serve_rejects_an_invalid_value_of_a_variable(
    variable: str, value: str, expected: str, persisty: Persisty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    done = persisty("serve", SHOP, "--port", "0", "--url", "memory://")
    assert done.code == 2
    assert f"/{variable}: Not a value of this variable (expected {expected}, found {value})" in done.err
    assert "Traceback" not in done.err


def test_serve_names_the_extra_to_install(persisty: Persisty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "persisty.cli.serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = persisty("serve", SHOP)
    assert (done.code, done.err) == (2, "Error: uvicorn is not installed: pip install 'persisty[server]'\n")


@pytest.mark.parametrize("words", ["deploy", "synth", "destroy", "diff --deployed"])
def test_a_deployment_names_the_extra_to_install(
    words: str, persisty: Persisty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cdk_options, "LIBRARIES", ("nothing_like_it",))
    done = persisty(*words.split(), SHOP)
    assert (done.code, done.err) == (2, "Error: nothing_like_it is not installed: pip install 'persisty[deploy]'\n")


def test_the_constructs_name_the_extra_to_install() -> None:
    code = "import sys; sys.modules['aws_cdk'] = None; import stacks"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "aws_cdk is not installed: pip install 'persisty[deploy]'" in run.stderr.splitlines()[-1]


def test_serve_prints_no_urls_for_an_app_whose_names_clash(persisty: Persisty, monkeypatch: pytest.MonkeyPatch) -> None:
    class ProductPage(enum.Enum):
        ONE = "ONE"

    item = type("Product", (), {"__annotations__": {"id": str, "page": ProductPage}})
    module = ModuleType("clashing")
    module.app = App("clashing", items=[stored(access=public)(item)])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clashing", module)
    for workers in ("1", "2"):
        done = persisty("serve", "clashing:app", "--port", "0", "--url", "sqlite:///none.db", "--workers", workers)
        assert (done.code, done.out) == (2, "")
        assert (
            "/ProductPage: Two different types have this name in GraphQL (expected other names of the classes"
            in done.err
        )
    assert not Path("none.db").exists()


@pytest.mark.parametrize(
    ("spec", "message"),
    [("no_such_module:seed", "There is no module no_such_module"), (f"{SHOP.partition(':')[0]}:nothing", "is not a function")],
)  # fmt: skip
def test_serve_reports_a_missing_seed_function(spec: str, message: str, persisty: Persisty) -> None:
    done = persisty("serve", SHOP, "--port", "0", "--url", "memory://", "--seed", spec)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "the app has been seeded before"), (1, "seeded 1 item"), (2, "seeded 2 items"), (None, "seeds:seed has been called")],
)  # fmt: skip
def test_serve_counts_the_seeded_items(
    count: int | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("seeds")
    module.seed = lambda app: count  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "seeds", module)
    server_process.seed(App("garage", items=[]), "seeds:seed")
    assert capsys.readouterr().out == f"{said}\n"


def test_a_reload_over_a_table_that_does_not_fit_logs_the_column_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE product (id TEXT PRIMARY KEY)")
    options = Options(SHOP, f"sqlite:///{file}", None, "localhost:0", False, False, False, False)
    seeded = multiprocessing.get_context("spawn").Event()
    seeded.set()
    with caplog.at_level(logging.ERROR, "persisty"), pytest.raises(SystemExit):
        server_process.serve_again(options, 1, seeded, [])
    [record] = caplog.records
    assert "price" in record.getMessage()
    assert record.exc_info is None
