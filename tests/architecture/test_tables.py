"""Tables that other tables are keyed by: aggregates, kinds of changes of a declaration, generators, update operators. The failure names the missing row."""

from __future__ import annotations

import pytest

from persisty import SchemaMismatch, public, stored
from persisty.api.openapi import schemas as openapi
from persisty.backends.dynamodb.batch_statements import CHANGES as DYNAMODB_CHANGES
from persisty.backends.dynamodb.batch_statements import OPERATORS as DYNAMODB_OPERATORS
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.migrator import MADE, REFUSED, DynamoDbMigrator
from persisty.backends.dynamodb.migrator import WITHOUT_STEP as WITHOUT_REQUEST
from persisty.backends.dynamodb.requests import Requests
from persisty.backends.sql.backend import HOW
from persisty.backends.sql.migrator import WITHOUT_STEP, SqlMigrator
from persisty.backends.sql.postgres.migrator import AFTER_THE_KEY, BEFORE_THE_KEY, PostgresMigrator
from persisty.backends.sql.sqlite_migrator import IN_PLACE, REBUILT, SqliteMigrator
from persisty.backends.sql.statements import CHANGES
from persisty.clients import python_types, typescript_types
from persisty.model.expressions import ALL, Aggregate, Compare
from persisty.model.generators import GENERATORS, UpdateOperator
from persisty.model.meta import meta_of
from persisty.model.schema_changes import EFFECTS, Change, Effect
from persisty.model.types import AGGREGATES
from persisty.model.update_operators import JSON_OPERATORS
from persisty.model.validation import APPLIED, OPERATORS, changed
from persisty.query.aggregate import COMPOSED, STEPS, ZEROS, Accumulator
from persisty.query.postconditions import after
from persisty.store.backend import Patch
from persisty.store.in_doubt_writes import TIMES, UUIDS, repeatable
from persisty.store.migration import Evolution, check_kinds

MADE_BY_ANOTHER_CALL = {"version", "sequence", "subject", "owner"}
"""Generators whose value another call may also make: it does not prove a write in doubt."""


class Remove(UpdateOperator, frozen=True):
    """An update operator that no table has."""

    values: tuple[str, ...]


@stored(access=public)
class Note:
    id: str
    tags: list[str]


NOTES = meta_of(Note)
MIGRATORS = (SqliteMigrator, PostgresMigrator, DynamoDbMigrator)


def test_every_aggregate_is_measured_or_made_of_measures() -> None:
    assert {*STEPS, *COMPOSED} == {*AGGREGATES, "count"}
    assert not STEPS.keys() & COMPOSED.keys()
    assert {measure for measures in COMPOSED.values() for measure in measures} <= STEPS.keys()
    assert ZEROS.keys() == AGGREGATES["sum"]


def test_an_unknown_aggregate_is_an_error() -> None:
    with pytest.raises(KeyError, match="unheard"):
        Accumulator(NOTES, [Aggregate("unheard", "id")], ())


@pytest.mark.parametrize("migrator", MIGRATORS)
def test_a_migrator_has_every_kind_of_change(migrator: type[SqlMigrator] | type[DynamoDbMigrator]) -> None:
    assert migrator.kinds == EFFECTS.keys()


@pytest.mark.parametrize(
    "parts", [(REBUILT, IN_PLACE, WITHOUT_STEP), (BEFORE_THE_KEY, AFTER_THE_KEY, WITHOUT_STEP), (MADE, WITHOUT_REQUEST)]
)
def test_each_kind_of_change_has_one_implementation(parts: tuple[frozenset[str], ...]) -> None:
    assert sum(map(len, parts)) == len(frozenset().union(*parts))
    assert not frozenset(REFUSED) & (MADE | WITHOUT_REQUEST)


@pytest.mark.parametrize("migrator", MIGRATORS)
def test_a_migrator_refuses_an_unknown_kind_of_change(migrator: type[SqlMigrator] | type[DynamoDbMigrator]) -> None:
    change = Change(kind="attribute_encrypted", effect=Effect.SAFE, store="note", name="tags", message="tags is secret")
    evolution = Evolution(name="note", table="note", stored=NOTES.schema, declared=NOTES, changes=(change,))
    with pytest.raises(SchemaMismatch) as refused:
        check_kinds(evolution, migrator.kinds)
    assert [fault.path for fault in refused.value.faults] == ["/note/tags"]
    with pytest.raises(SchemaMismatch, match="cannot be made"):
        migrator.check(migrator.__new__(migrator), evolution, ())


def test_every_generator_is_declared_to_prove_a_write_or_not() -> None:
    proving = {one.name for one in (*UUIDS, *TIMES)}
    assert proving | MADE_BY_ANOTHER_CALL == GENERATORS.keys()
    assert not proving & MADE_BY_ANOTHER_CALL


def test_every_spelled_change_is_an_update_operator() -> None:
    for word, (_, change) in JSON_OPERATORS.items():
        assert isinstance(change, type), word
        assert issubclass(change, UpdateOperator), word


def test_every_table_of_update_operators_is_complete() -> None:
    records = {change for _, change in JSON_OPERATORS.values()}
    for by_record in (HOW, DYNAMODB_OPERATORS, OPERATORS, APPLIED):
        assert set(by_record) == records
    assert CHANGES.keys() == DYNAMODB_CHANGES.keys() == {"set", *HOW.values()}
    assert set(HOW.values()) == set(DYNAMODB_OPERATORS.values()) == JSON_OPERATORS.keys()
    for by_word in (openapi.CHANGES, python_types.CHANGES, typescript_types.CHANGES):
        assert by_word.keys() == JSON_OPERATORS.keys()


def test_an_unknown_update_operator_is_not_a_value() -> None:
    note, change = Note(id="1", tags=["a"]), Remove(("a",))
    with pytest.raises(KeyError, match="Remove"):
        changed(NOTES, note, {"tags": change})
    with pytest.raises(NotImplementedError, match="Remove"):
        after(NOTES, Compare("tags", "null", True), {"tags": change}, lambda *_: ALL)
    with pytest.raises(NotImplementedError, match="Remove"):
        Requests(NOTES, WireCodec(NOTES), "notes")._changed({"tags": change}, [])


def test_an_unknown_update_operator_is_not_sent_again() -> None:
    assert repeatable(NOTES, Patch(("1",), {"tags": ["a"]}))
    assert not repeatable(NOTES, Patch(("1",), {"tags": Remove(("a",))}))
