"""The airports in DynamoDB, simulated by a moto server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.flights.app import Airport
from benchmarks.flights.app import app as flights
from persisty import App

from .checks import PAGE, check_all_are_stored, check_question, check_rejections
from .conftest import Files, Import, import_file, require_files
from .questions import QUESTIONS

require_files()


@pytest.fixture(scope="module")
def url(moto_endpoint: str) -> str:
    return f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0"  # moto supports almost no PartiQL


@pytest.fixture(scope="module")
def imported(url: str, files: Files, tmp_path_factory: pytest.TempPathFactory) -> Import:
    return import_file(files, "airport", url, tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def app(imported: Import, url: str) -> Iterator[App]:
    before = flights.url
    flights.use(url)
    yield flights
    flights.use(before)


def test_every_airport_is_counted_and_each_invalid_one_is_rejected_with_its_faults(
    imported: Import, files: Files
) -> None:
    check_rejections(imported, "airport", files)


def test_every_valid_airport_is_stored_as_in_the_file(app: App, files: Files) -> None:
    check_all_are_stored(app.store(Airport), files)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_query_about_airports_returns_the_rows_of_plain_python(name: str, app: App, files: Files) -> None:
    check_question(app.store(Airport), QUESTIONS[name], files.right["airport"], size=1_000)


@pytest.mark.parametrize("name", ["a country by its cities, through the index", "without a code, in a known zone"])
def test_pages_of_the_index_and_of_the_whole_table_have_the_same_rows(name: str, app: App, files: Files) -> None:
    check_question(app.store(Airport), QUESTIONS[name], files.right["airport"], size=PAGE)


def test_airports_are_read_by_key_in_position(app: App, files: Files) -> None:
    asked = [row["id"] for row in files.rows["airport"][:90]]
    right = {row["id"]: row["name"] for row in files.right["airport"]}
    found = app.store(Airport).read_batch([*asked, 999_999, asked[0]])
    assert [one and one.name for one in found] == [*(right.get(id_) for id_ in asked), None, right[asked[0]]]
