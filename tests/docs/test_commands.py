"""Outputs of commands on the pages: the commands print them. `persisty access`, `diff`, `migrate` and `token` are tested with their pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from persisty.cli.main import main

from .test_docs import blocks

SHOP = """
from typing import Annotated

from msgspec import Meta
from persisty import App, Attr, HasMany, link, public, stored, where


@stored
class Product:
    id: Attr[str]
    price: Attr[Annotated[float, Meta(ge=0)]]


@stored(access=public)
class Line:
    id: Attr[str]
    order_id: Attr[str]


@stored(access=where(paid=True) & where(paid=False))
class Order:
    id: Attr[str]
    paid: Attr[bool]
    lines: HasMany["Line"] = link(by="order_id")


app = App("shop", items=[Product, Order, Line])
"""
PRODUCTS = "id,price\na,1\nb,2\na,3\nc,-1\nd,x\ne,3\nf,\ng,-2\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run the commands in a folder with the app of the pages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for variable in ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE"):
        monkeypatch.delenv(variable, raising=False)
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "app.py").write_text(SHOP)
    yield tmp_path
    for name in ("shop", "shop.app"):
        sys.modules.pop(name, None)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main(arguments)
    return capsys.readouterr().out


def shown(page: str, command: str) -> tuple[list[str], str]:
    """Return the arguments of a command on a page, and the output that the page shows."""
    [found] = re.findall(
        rf"^\$ persisty ({command}.*)\n((?:[^$].*\n?)+)", "".join(blocks(page, "console")), re.MULTILINE
    )
    return found[0].split(), found[1]


def test_check_prints_the_warnings_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    arguments, output = shown("docs/commands.md", "check")
    assert printed(capsys, *arguments) == output


def test_init_writes_the_number_of_files_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    arguments, output = shown("docs/commands.md", "init")
    assert printed(capsys, *arguments) == output


def test_cost_prints_the_lines_of_the_page(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    arguments, output = shown("docs/cost.md", "cost")
    (folder / "load.toml").write_text(blocks("docs/cost.md", "toml")[0])
    assert printed(capsys, *arguments).split() == output.split()


def test_import_prints_the_summary_of_the_page(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    [output] = blocks("docs/importing.md", "text")
    (folder / "products.csv").write_text(PRODUCTS)
    moment = re.compile(r"\([\d.]+ s, [\d,]+ rows/s\)")
    done = printed(capsys, "import", "shop.app:app", "product", "products.csv", "--url", "memory://")
    assert moment.sub("…", done) == moment.sub("…", output)
