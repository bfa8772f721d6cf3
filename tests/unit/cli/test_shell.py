"""`persisty shell` has the app, its items and their stores as names."""

from __future__ import annotations

import io

import pytest

from persisty import App, stored

from ...postgres import schema_in
from .conftest import SHOP, Persisty


@stored(name="product")
class FormerProduct:
    id: str
    price: str


def test_a_command_uses_stores_and_items(persisty: Persisty, url: str) -> None:
    code = "product.create(Product(id='a', price=1.5)); print(app.name, product.count(), stock_level.count())"
    done = persisty("shell", SHOP, "--url", url, "-c", code)
    assert (done.code, done.out) == (0, "shop 1 0\n")
    again = persisty("shell", SHOP, "--url", url, "-c", "print(product.read('a').price)")
    assert again.out == "1.5\n"


def test_public_names_and_those_of_the_apps_modules_are_there(persisty: Persisty, url: str) -> None:
    code = "print(product.on_behalf_of(Caller('ann')).meta.name, Annotated.__name__, Conflict.code)"
    done = persisty("shell", SHOP, "--url", url, "-c", code)
    assert (done.code, done.out) == (0, "product Annotated conflict\n")


def test_the_traceback_of_an_error_begins_in_the_code_of_the_command(persisty: Persisty, url: str) -> None:
    done = persisty("shell", SHOP, "--url", url, "-c", "1 / 0")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "typer" not in done.err


def test_the_prompt_reads_until_its_input_ends(persisty: Persisty, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("print(product.count())\n"))
    done = persisty("shell", SHOP, "--url", url)
    assert done.code == 0
    assert "0\n" in done.out
    assert "Stores: product, stock_level. Items: Product, StockLevel." in done.err


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_shell_warns_of_a_table_that_does_not_fit(
    engine: str, persisty: Persisty, url: str, request: pytest.FixtureRequest
) -> None:
    place = url if engine == "sqlite" else schema_in(request.getfixturevalue("postgres_url"))
    app = App("shop", items=[FormerProduct], url=place)
    app.prepare()
    app.store(FormerProduct).create({"id": "a", "price": "cheap"})
    app.close()
    opened = persisty("shell", SHOP, "--url", place, "-c", "print('open')")
    assert (opened.code, opened.out) == (0, "open\n")
    assert opened.err.startswith("Warning: ")
    assert "/product/price" in opened.err
