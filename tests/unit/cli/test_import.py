"""`persisty import`: exit codes, the summary, the rejects file, and invalid calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from persisty.backends.sql.postgres import pool
from persisty.errors import BackendUnavailable
from persisty.store.store import Store

from . import shop
from .conftest import SHOP, Persisty, Run

CSV = "id,price,in_stock,note\np1,1.5,true,first\np2,2,false,\n"


def counts(run: Run) -> tuple[int, int, int]:
    """Return the numbers of read, imported and rejected rows from the summary."""
    found = re.search(r"([\d,]+) read, ([\d,]+) imported, ([\d,]+) rejected \([\d.]+ s, [\d,]+ rows/s\)", run.out)
    assert found, run
    read, imported, rejected = (int(one.replace(",", "")) for one in found.groups())
    assert read == imported + rejected
    return read, imported, rejected


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def products(url: str) -> list[tuple[Any, ...]]:
    shop.app.use(url)
    found = [(one.id, one.price, one.in_stock, one.note) for one in shop.app.store(shop.Product).search(order="id")]
    shop.app.close()
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text(CSV)
    return path


def test_a_valid_file_is_imported_without_rejects(persisty: Persisty, file: Path, url: str) -> None:
    done = persisty("import", SHOP, "product", str(file), "--url", url)
    assert (done.code, counts(done), done.err) == (0, (2, 2, 0), "")
    assert done.out.startswith("products.csv into product: ")
    assert products(url) == [("p1", 1.5, True, "first"), ("p2", 2.0, False, "")]
    assert list(file.parent.glob("*.jsonl")) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_summary_counts_every_line(persisty: Persisty, file: Path, url: str, end: bytes) -> None:
    file.write_bytes((CSV + "\n\np3,-1,true,\n").encode().replace(b"\n", end))
    done = persisty("import", SHOP, "product", str(file), "--url", url)
    assert done.code == 1
    assert "3 read, 2 imported, 1 rejected, 2 blank lines (" in done.out
    assert [one["line"] for one in lines_of(file.with_name("products.csv.rejected.jsonl"))] == [6]
    file.write_bytes(end.join([b"id,price", b"", b"p4,1"]))
    assert ", 1 blank line (" in persisty("import", SHOP, "product", str(file), "--url", url).out


def test_rejected_rows_are_written_with_their_line_code_and_faults(persisty: Persisty, file: Path, url: str) -> None:
    file.write_bytes(
        CSV.encode() + b'p1,3,true,twice\np3,-1,perhaps,\np4\n"p5"x,1,true,\np6,\xff,true,\np7,7,true,ok\n'
    )
    done = persisty("import", SHOP, "product", str(file), "--url", url)
    assert (done.code, counts(done)) == (1, (8, 3, 5))
    rejects = file.with_name("products.csv.rejected.jsonl")
    assert f"invalid_input 4, conflict 1: see {rejects}" in done.out
    found = lines_of(rejects)
    assert [set(one) for one in found] == [{"line", "code", "faults", "row"}] * 5
    assert [(one["line"], one["code"]) for one in found] == [
        (4, "conflict"),
        (5, "invalid_input"),
        (6, "invalid_input"),
        (7, "invalid_input"),
        (8, "invalid_input"),
    ]
    assert [fault["path"] for fault in found[0]["faults"]] == ["/id"]
    assert "\n  line 4: conflict: /id: id is already taken\n" in done.out
    assert "\n  line 5: invalid_input: /price: " in done.out
    assert [fault["path"] for fault in found[1]["faults"]] == ["/price", "/in_stock"]
    assert [one["row"] for one in found] == [
        {"id": "p1", "price": "3", "in_stock": "true", "note": "twice"},
        {"id": "p3", "price": "-1", "in_stock": "perhaps", "note": ""},
        ["p4"],
        '"p5"x,1,true,',
        "p6,\\xff,true,",
    ]
    assert [one[0] for one in products(url)] == ["p1", "p2", "p7"]


def test_a_field_that_is_empty_and_does_not_convert_names_the_option_for_nulls(
    persisty: Persisty, file: Path, url: str
) -> None:
    file.write_text("id,price,in_stock\np8,,\np9,1,\n")
    persisty("import", SHOP, "product", str(file), "--url", url)
    first, second = lines_of(file.with_name("products.csv.rejected.jsonl"))
    hint = "The field is empty: --null '' reads empty fields as null"
    assert [(one["path"], hint in one["message"]) for one in first["faults"]] == [
        ("/price", False),
        ("/in_stock", True),
    ]
    assert second["faults"][0]["message"].endswith(hint)
    assert counts(persisty("import", SHOP, "product", str(file), "--url", url, "--null", "")) == (2, 1, 1)
    [missing] = lines_of(file.with_name("products.csv.rejected.jsonl"))
    assert (missing["faults"][0]["message"], "--null" in str(missing)) == ("Missing", False)


def test_a_quoted_field_that_is_too_long_is_one_rejected_row(persisty: Persisty, file: Path, url: str) -> None:
    file.write_text(
        CSV + 'p3,1,true,"' + 'a ""b""\n' * 400_000 + '",\np3,3,true,"x' + "\na,b" * 300_000 + '"\np4,4,true,ok\n'
    )
    done = persisty("import", SHOP, "product", str(file), "--url", url)
    assert (done.code, counts(done)) == (1, (5, 3, 2))
    found = lines_of(file.with_name("products.csv.rejected.jsonl"))
    assert [(one["line"], one["code"]) for one in found] == [(4, "payload_too_large"), (400_005, "payload_too_large")]
    assert products(url)[-1][0] == "p4"


def test_the_rejects_file_is_proportional_to_the_file(persisty: Persisty, file: Path, url: str) -> None:
    file.write_text(CSV + 'p3,1,true,"\n' + "a\n" * 60_000 + "b,c\n" + "p4,4,true,ok\n")
    done = persisty("import", SHOP, "product", str(file), "--url", url)
    assert (done.code, counts(done)) == (1, (60_005, 3, 60_002))
    rejects = file.with_name("products.csv.rejected.jsonl")
    assert (1 << 20) < rejects.stat().st_size < (1 << 20) + 10 * file.stat().st_size + 1_000
    *listed, last = lines_of(rejects)
    assert (last["line"], last["code"], last["row"]) == (listed[-1]["line"] + 1, "invalid_input", None)
    assert f"{60_002 - len(listed)} rows from here to line 60005" in last["faults"][0]["message"]
    assert f"which lists all but {60_002 - len(listed):,} of them" in done.out


def test_the_rejects_of_an_earlier_run_are_removed(persisty: Persisty, file: Path, url: str) -> None:
    rejects = file.with_name("why.jsonl")
    options = ("import", SHOP, "product", str(file), "--url", url, "--rejects", str(rejects))
    assert persisty(*options).code == 0
    assert persisty(*options).code == 1
    assert [one["code"] for one in lines_of(rejects)] == ["conflict", "conflict"]
    file.write_text("id,price\np9,1\n")
    assert persisty(*options).code == 0
    assert not rejects.exists()


def test_json_lines_are_recognised_by_their_extension(persisty: Persisty, tmp_path: Path, url: str) -> None:
    path = tmp_path / "products.jsonl"
    path.write_text('{"id": "a", "price": 1}\n{"id": "b", "price": "2.5", "note": null}\n{"id": "c"}\n{\n')
    done = persisty("import", SHOP, "product", str(path), "--url", url)
    assert (done.code, counts(done)) == (1, (4, 2, 2))
    assert products(url) == [("a", 1.0, True, None), ("b", 2.5, True, None)]
    rejects = lines_of(tmp_path / "products.jsonl.rejected.jsonl")
    assert [(one["line"], one["code"]) for one in rejects] == [(3, "invalid_input"), (4, "malformed_json")]


def test_rows_with_numbers_that_no_float_has_are_rejected_and_the_rest_is_imported(
    persisty: Persisty, tmp_path: Path, url: str
) -> None:
    path = tmp_path / "products.jsonl"
    numbers = ["1e400", "[1e400]", '{"a": 12345678901234567.89}', "1e99999999999999999999", "-1e400"]
    rows = [f'{{"id": "n{place}", "price": {number}}}' for place, number in enumerate(numbers)]
    path.write_text("\n".join(['{"id": "a", "price": 1}', *rows, '{"id": "b", "price": 2}']))
    done = persisty("import", SHOP, "product", str(path), "--url", url)
    assert (done.code, counts(done)) == (1, (7, 2, 5))
    assert [row[0] for row in products(url)] == ["a", "b"]
    rejects = lines_of(tmp_path / "products.jsonl.rejected.jsonl")
    assert [one["line"] for one in rejects] == [2, 3, 4, 5, 6]


def test_another_dialect_is_selected_by_options(persisty: Persisty, tmp_path: Path, url: str) -> None:
    path = tmp_path / "products.dat"
    path.write_text('a;x;1.5;Y;\\N\nb;x;2;N;say \\; \\"N\\"\nc;x;3;;\n')
    options = ["--format", "csv", "--delimiter", ";", "--columns", "id,_,price,in_stock,note", "--escape", "\\"]
    nulls = ["--null", "\\N", "--null", "", "--true", "Y", "--false", "N"]
    done = persisty("import", SHOP, "product", str(path), "--url", url, *options, *nulls)
    assert (done.code, counts(done)) == (0, (3, 3, 0))
    assert products(url) == [("a", 1.5, True, None), ("b", 2.0, False, 'say ; "N"'), ("c", 3.0, True, None)]


def test_fields_of_a_tsv_file_are_separated_by_tabs(persisty: Persisty, tmp_path: Path, url: str) -> None:
    path = tmp_path / "products.TSV"
    path.write_text("id\tprice\ta\t1\n".replace("\ta\t", "\na\t"))
    assert persisty("import", SHOP, "product", str(path), "--url", url).code == 0
    assert products(url) == [("a", 1.0, True, None)]


def test_an_empty_file_of_known_columns_imports_nothing(persisty: Persisty, file: Path, url: str) -> None:
    file.write_text("")
    done = persisty("import", SHOP, "product", str(file), "--url", url, "--columns", "id,price")
    assert (done.code, counts(done)) == (0, (0, 0, 0))


@pytest.mark.parametrize("batch", ["1", "3", "100"])
def test_the_size_of_batches_does_not_change_the_result(batch: str, persisty: Persisty, file: Path, url: str) -> None:
    rows = [f"p{number % 150},{number % 7 - 1}" for number in range(250)]
    file.write_text("id,price\n" + "\n".join(rows))
    done = persisty("import", SHOP, "product", str(file), "--url", url, "--batch", batch)
    stored: set[str] = set()
    for row in rows:
        stored |= set() if row.endswith("-1") else {row.partition(",")[0]}
    assert (done.code, counts(done)) == (1, (250, len(stored), 250 - len(stored)))
    shop.app.use(url)
    assert shop.app.store(shop.Product).count() == len(stored)
    shop.app.close()


def test_the_app_is_read_from_the_environment_if_none_is_given(
    persisty: Persisty, file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSISTY_APP", SHOP)
    assert persisty("import", "product", str(file), "--url", url).code == 0
    assert len(products(url)) == 2


def test_a_store_may_be_named_as_in_urls(persisty: Persisty, file: Path, url: str) -> None:
    file.write_text("id\na\n")
    done = persisty("import", SHOP, "stock-level", str(file), "--url", url, "--prepare")
    assert (done.code, counts(done)) == (0, (1, 1, 0))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["product"], "Expected [APP] STORE FILE"),
        (["product", "{file}"], "PERSISTY_APP"),
        ([SHOP, "product", "{file}", "more"], "Expected [APP] STORE FILE"),
        (["tests.unit.cli.nowhere:app", "product", "{file}"], "no module tests.unit.cli.nowhere"),
        (["tests.unit.cli.shop:nothing", "product", "{file}"], "tests.unit.cli.shop:nothing is not an App"),
        ([SHOP, "prodcut", "{file}"], "shop has no store prodcut; it has product, stock_level"),
        ([SHOP, "product", "{folder}/gone.csv"], "No such file"),
        ([SHOP, "product", "{folder}", "--format", "csv"], "Is a directory"),
        ([SHOP, "product", "{file}.dat"], "--format"),
        ([SHOP, "product", "{file}", "--format", "xml"], "xml is not one of csv, jsonl"),
        ([SHOP, "product", "{file}", "--columns", "id,price,colour"], "no attributes of the item: 'colour'"),
        ([SHOP, "product", "{file}", "--columns", "id,price,id"], "named twice: 'id'"),
        ([SHOP, "product", "{file}", "--columns", "id,note"], "missing: 'price'"),
        ([SHOP, "product", "{file}", "--delimiter", ",,"], "single, different characters"),
        ([SHOP, "product", "{file}", "--escape", ","], "single, different characters"),
        ([SHOP, "product", "{file}", "--format", "jsonl", "--null", "x", "--escape", "/"], "only for CSV"),
        ([SHOP, "product", "{file}", "--batch", "101"], "--batch"),
        ([SHOP, "product", "{file}", "--batch", "0"], "--batch"),
        ([SHOP, "product", "{file}", "--url", "mysql://x"], "Unknown scheme"),
        ([SHOP, "product", "{file}", "--rejects", "{file}"], "would overwrite"),
        ([SHOP, "product", "{file}", "--rejects", "{folder}/no/such.jsonl"], "No such file"),
        ([SHOP, "product", "{empty}"], "empty"),
        ([SHOP, "product", "{file}.semicolons.csv"], "The row is one column: try --delimiter ';'"),
        ([SHOP, "product", "{file}", "--delimiter", ";"], "The row is one column: try --delimiter ','"),
        ([SHOP, "product", "{file}", "--nonsense"], "--nonsense"),
    ],
)
def test_an_invalid_call_exits_with_2_and_the_reason_before_anything_is_done(
    options: list[str], reason: str, persisty: Persisty, file: Path, url: str
) -> None:
    empty = file.with_name("empty.csv")
    empty.touch()
    file.with_name(file.name + ".dat").write_text(CSV)
    file.with_name(file.name + ".semicolons.csv").write_text(CSV.replace(",", ";"))
    before = sorted(file.parent.iterdir())
    filled = [one.format(file=file, folder=file.parent, empty=empty) for one in options]
    done = persisty("import", *filled, *([] if "--url" in options else ["--url", url]))
    assert done.code == 2, done
    assert reason in " ".join(done.err.split())
    assert done.out == ""
    assert "Traceback" not in done.err
    assert file.read_text() == CSV
    assert sorted(file.parent.iterdir()) == before


def test_a_row_with_another_delimiter_than_the_named_columns_names_the_option(
    persisty: Persisty, file: Path, url: str
) -> None:
    file.write_text("p1\t1.5\np2\t2\n")
    done = persisty("import", SHOP, "product", str(file), "--url", url, "--columns", "id,price")
    assert (done.code, counts(done)) == (1, (2, 0, 2))
    assert r"Wrong number of columns. The row is one column: try --delimiter $'\t'" in done.out


def test_an_engine_error_during_the_import_exits_with_1_and_the_summary(
    persisty: Persisty, file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("id,price\n" + "".join(f"p{number},{number - 1}\n" for number in range(10)))
    real, calls = Store.edit_batch, iter((True, True, True, False))
    rejects = file.with_name("products.csv.rejected.jsonl")
    written_by_then: list[dict[str, Any]] = []

    def failing(self: Any, batch: Any, *, atomic: bool = False) -> Any:
        if not next(calls):
            written_by_then.extend(lines_of(rejects))
            raise BackendUnavailable("The engine is gone")
        return real(self, batch, atomic=atomic)

    monkeypatch.setattr(Store, "edit_batch", failing)
    done = persisty("import", SHOP, "product", str(file), "--url", url, "--batch", "3")
    monkeypatch.undo()
    assert (done.code, counts(done)) == (1, (6, 5, 1))
    assert "The engine is gone" in done.err
    assert "Traceback" not in done.err
    assert [one["line"] for one in written_by_then] == [2]
    assert lines_of(rejects) == written_by_then
    assert len(products(url)) == 5


def test_an_engine_that_cannot_be_reached_at_all_is_an_error_without_a_summary(
    persisty: Persisty, file: Path, tmp_path: Path
) -> None:
    done = persisty("import", SHOP, "product", str(file), "--url", f"sqlite:///{tmp_path}/no/folder.db")
    assert done.code == 1
    assert done.err.startswith("Error: SQLite: ")
    assert done.out == ""


@pytest.mark.parametrize("command", [("import", SHOP, "product", "products.csv"), ("diff", SHOP), ("migrate", SHOP)])
def test_a_server_that_cannot_be_reached_is_named(
    command: tuple[str, ...], persisty: Persisty, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "backoff", lambda attempt: 0.0)
    monkeypatch.chdir(file.parent)
    done = persisty(*command, "--url", "postgresql://user:secret@127.0.0.1:1/goods")
    assert done.code == 1
    assert "PostgreSQL at 127.0.0.1:1/goods" in done.err
    assert "secret" not in done.err
