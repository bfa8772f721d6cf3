"""All three files in SQLite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.flights.app import Airline, Airport, Route
from benchmarks.flights.app import app as flights
from persisty import App

from . import plain
from .checks import PAGE, check_all_are_stored, check_question, check_rejections
from .conftest import Files, Import, import_file, import_json, require_files
from .questions import QUESTIONS

require_files()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flights")


@pytest.fixture(scope="module")
def imports(files: Files, scratch: Path) -> dict[str, Import]:
    return {store: import_file(files, store, f"sqlite:///{scratch}/flights.db", scratch) for store in plain.COLUMNS}


@pytest.fixture(scope="module")
def app(imports: dict[str, Import], scratch: Path) -> Iterator[App]:
    before = flights.url
    flights.use(f"sqlite:///{scratch}/flights.db")
    yield flights
    flights.use(before)


@pytest.mark.parametrize("store", plain.COLUMNS)
def test_every_row_is_counted_and_each_invalid_one_is_rejected_with_its_faults(
    store: str, imports: dict[str, Import], files: Files
) -> None:
    check_rejections(imports[store], store, files)


def test_the_files_contain_the_mistakes_that_these_tests_expect(files: Files) -> None:
    found = {
        store: Counter(path for row in rows for path in plain.faults(store, row)) for store, rows in files.rows.items()
    }
    assert {store: set(paths) for store, paths in found.items()} == {
        store: set(wrong) for store, wrong in plain.WRONG.items()
    }
    assert all(any(row[name] is None for row in files.right["airport"]) for name in ("city", "iata", "utc_offset"))
    assert {"N", None} <= {row["daylight_saving"] for row in files.right["airport"]}
    assert any(row["airline_id"] is None for row in files.right["route"])


@pytest.mark.parametrize("item", [Airline, Airport, Route])
def test_every_valid_row_is_stored_as_in_the_file(item: type[Any], app: App, files: Files) -> None:
    check_all_are_stored(app.store(item), files)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_query_about_airports_returns_the_rows_of_plain_python(name: str, app: App, files: Files) -> None:
    check_question(app.store(Airport), QUESTIONS[name], files.right["airport"], size=PAGE)


def test_a_route_is_read_by_its_composite_key(app: App, files: Files) -> None:
    [row] = [
        row
        for row in files.right["route"]
        if (row["airline"], row["source"], row["destination"]) == ("BA", "LHR", "JFK")
    ]
    store = app.store(Route)
    assert store.read("BA~LHR~JFK") == store.read(("BA", "LHR", "JFK")) == Route(**row)
    assert store.read_batch([("BA", "LHR", "JFK"), ("BA", "JFK", "JFK"), "BA~LHR", "BA~LHR~JFK"]) == [
        Route(**row),
        None,
        None,
        Route(**row),
    ]


def test_departures_of_an_airport_are_read_by_the_index_in_order_of_destination(app: App, files: Files) -> None:
    where = (Route.source == "KEF") & (Route.codeshare == False) & (Route.destination >= "L")  # noqa: E712
    rows = [
        row
        for row in files.right["route"]
        if row["source"] == "KEF" and not row["codeshare"] and row["destination"] >= "L"
    ]
    found = app.store(Route).search(where, order=["-destination", "airline"], limit=1000)
    assert [(one.destination, one.airline) for one in found] == [
        (row["destination"], row["airline"]) for row in plain.ordered(rows, "-destination", "airline")
    ]
    assert len(found) > 10


def test_routes_to_airports_that_are_not_in_the_other_file(app: App, files: Files) -> None:
    known = {row["id"] for row in files.rows["airport"]}
    unknown = sorted({row["destination_id"] for row in files.right["route"]} - known - {None})
    store = app.store(Route)
    for where, matches in (
        (Route.destination_id.is_null(), lambda row: row["destination_id"] is None),
        (Route.destination_id.oneof([*unknown, None]), lambda row: row["destination_id"] not in known),
        (
            (Route.stops > 0) | (Route.equipment.is_null() & (Route.airline_id != 3976)),
            lambda row: row["stops"] > 0 or (row["equipment"] is None and row["airline_id"] != 3976),
        ),
    ):
        assert store.count(where) == sum(map(matches, files.right["route"])) > 0


def test_codes_of_airlines_are_not_unique(app: App, files: Files) -> None:
    codes = Counter(row["iata"] for row in files.right["airline"] if row["iata"])
    [(code, count)] = codes.most_common(1)
    found = app.store(Airline).search(Airline.iata == code, order="name")
    rows = [row for row in files.right["airline"] if row["iata"] == code]
    assert [one.id for one in found] == [row["id"] for row in plain.ordered(rows, "name", "id")]
    assert count > 1


def test_importing_again_rejects_every_row_and_changes_nothing(app: App, files: Files, scratch: Path) -> None:
    again = import_file(files, "airline", app.url, scratch)
    assert (again.code, again.count("read"), again.count("imported")) == (1, len(files.rows["airline"]), 0)
    codes = Counter(row["code"] for row in again.rejected)
    assert codes == {
        "conflict": len(files.right["airline"]),
        "invalid_input": len(files.rows["airline"]) - codes["conflict"],
    }
    check_all_are_stored(app.store(Airline), files)


def test_json_lines_of_the_same_rows_give_the_same_items(files: Files, scratch: Path, app: App) -> None:
    path = scratch / "airports.jsonl"
    lines = [json.dumps(row) for row in files.rows["airport"]]
    lines[100:100] = ["{", "[]", '{"id": 1e3}']
    path.write_text("\n".join(lines), encoding="utf-8")
    url = f"sqlite:///{scratch}/json.db"
    done = import_json(path, "airport", url)
    right = len(files.right["airport"])
    assert (done.code, done.count("read"), done.count("imported")) == (1, len(lines), right)
    assert [row["code"] for row in done.rejected[:3]] == ["malformed_json", "invalid_input", "invalid_input"]
    assert [row["line"] for row in done.rejected[:3]] == [101, 102, 103]
    other = App("flights", items=[Airport], url=url)
    check_all_are_stored(other.store(Airport), files)
    other.close()


def test_corrected_rows_of_the_rejects_file_can_be_imported(
    imports: dict[str, Import], files: Files, scratch: Path
) -> None:
    path = scratch / "corrected.jsonl"
    rows = [
        {
            name: None if f"/{name}" in {fault["path"] for fault in one["faults"]} else value
            for name, value in one["row"].items()
        }
        for one in imports["airport"].rejected
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = import_json(path, "airport", f"sqlite:///{scratch}/corrected.db")
    assert (done.code, done.rejected, done.count("imported")) == (0, [], len(rows))
    assert not path.with_name("corrected.jsonl.rejected.jsonl").exists()
