"""The schemas in revision files: short to read, and exact."""

from __future__ import annotations

import random

import msgspec
import pytest

from persisty import Attr, InvalidDeclaration, stored
from persisty.deploy.revision_schemas import schemas_of, texts_of
from persisty.model.meta import meta_of
from persisty.model.schema import Schema, canonical
from persisty.model.schema_json import document_of, schema_to_json

from .test_planned_files import Car, Ranked, Renamed, Vehicle
from .test_random_changes import NAMES, Declared, attribute, changed
from .test_revisions import ChangedShift, RenamedVan, Shift, Van


def schema(item: type[object]) -> Schema:
    return meta_of(item).schema


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([Car], [Renamed]),
        ([Renamed], [Ranked]),
        ([Ranked], [Vehicle]),
        ([Shift, Van], [ChangedShift, RenamedVan]),
        ([Van], [Van]),
        ([], [Car]),
        ([Car], []),
    ],
)
def test_the_texts_have_the_exact_schemas(before: list[type[object]], after: list[type[object]]) -> None:
    schemas = [*map(schema, before)], [*map(schema, after)]
    found = schemas_of(*texts_of(*schemas))
    assert [[canonical(one) for one in some] for some in found] == [
        [canonical(one) for one in some] for some in schemas
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_texts_of_random_declarations_have_the_exact_schemas(seed: int) -> None:
    rand = random.Random(seed)
    first = Declared({name: attribute(rand) for name in rand.sample(NAMES, 5)}, {}, {})
    schemas = [schema(first.item())], [schema(changed(rand, first, keys=True).item())]
    found = schemas_of(*texts_of(*schemas))
    assert [[canonical(one) for one in some] for some in found] == [
        [canonical(one) for one in some] for some in schemas
    ]


def large(*names: str) -> Schema:
    attributes = [{"name": name, "type": {"kind": "string"}} for name in ("id", *names)]
    given = {"name": "large", "attributes": [{"id": one["name"], **one} for one in attributes], "persisty": 1}
    return schemas_of(f'{{"schemas": [{msgspec.json.encode(given).decode()}]}}', '{"schemas": []}')[0][0]


def test_an_item_of_many_attributes_takes_a_line_for_each_and_one_for_a_new_one() -> None:
    names = [f"attribute_{number}" for number in range(40)]
    before, after = texts_of([large(*names)], [large(*names, "added")])
    assert len(before.splitlines()) == 41 + 7
    assert len(after.splitlines()) < 18
    assert after.count('"type"') == 1


def test_files_of_older_versions_have_whole_schemas() -> None:
    texts = [
        msgspec.json.format(schema_to_json(document_of([schema(one)])), indent=1).decode() for one in (Car, Renamed)
    ]
    assert schemas_of(*texts) == ([schema(Car)], [schema(Renamed)])


@pytest.mark.parametrize("text", ["", "[]", '{"schemas": [{"attributes": ["gone"]}]}', '{"schemas": [{"name": "a"}]}'])
def test_a_text_that_was_edited_badly_is_a_typed_error(text: str) -> None:
    with pytest.raises(InvalidDeclaration):
        schemas_of('{"schemas": []}', text)


@stored(name="car")
class Quoted:
    id: str
    note: str = Attr(default='"""')


def test_no_value_ends_the_text() -> None:
    assert '"""' not in "".join(texts_of([schema(Quoted)], [schema(Quoted)]))
