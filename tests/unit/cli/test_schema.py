"""`persisty schema`: the schemas of an app, one of them, and the JSON Schema of both."""

from __future__ import annotations

import json

from persisty.application import load_app
from persisty.model.relations import resolved_schema
from persisty.model.schema_json import document_from_json, json_schema, schema_from_json

from .conftest import SHOP, Persisty

MESSENGER = "examples.messenger.app:app"


def test_all_schemas_are_one_document(persisty: Persisty) -> None:
    done = persisty("schema", MESSENGER)
    assert (done.code, done.err) == (0, "")
    app = load_app(MESSENGER)
    assert document_from_json(done.out).schemas == tuple(map(resolved_schema, app.metas.values()))
    assert json.loads(done.out)["persisty"] == 1


def test_one_store_is_one_schema(persisty: Persisty) -> None:
    done = persisty("schema", SHOP, "--store", "product")
    assert done.code == 0
    assert schema_from_json(done.out) == load_app(SHOP).metas["product"].schema


def test_an_unknown_store_is_reported_with_the_known_ones(persisty: Persisty) -> None:
    done = persisty("schema", SHOP, "--store", "nope")
    assert (done.code, done.out) == (2, "")
    assert "/store: Unknown store (expected one of product" in done.err
    assert "found nope" in done.err


def test_the_json_schema_needs_no_app(persisty: Persisty) -> None:
    assert json.loads(persisty("schema", "--json-schema").out) == json.loads(json.dumps(json_schema()))
    assert persisty("schema").code == 2
