"""The order in which a deployment changes the indexes of tables that exist, as data: waves, each one update of the stacks.

DynamoDB adds or removes one index in an update of a table. An index must exist before code queries it, and is removed after that code is replaced.
Indexes are therefore added one wave after the other, the last with the functions, and removed after that. Each run reads the deployed tables again,
so an interrupted run continues.

Source: "UpdateTable", GlobalSecondaryIndexUpdates, in the Amazon DynamoDB API Reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..errors import Fault, InvalidDeclaration
from .resources import Index, KeyAttribute, Plan

CONTEXT = "indexes"
"""The context of the CDK app that has the indexes of a wave."""


class TableShape(Struct, frozen=True):
    """A table as it is deployed, or as a template has it: its name, the attributes of its key, its indexes. `items`: the last count of
    DynamoDB."""

    name: str
    key: tuple[KeyAttribute, ...]
    indexes: tuple[Index, ...] = ()
    items: int = 0


Shapes = Mapping[str, TableShape]
"""Tables by name."""
Indexes = dict[str, list[Index]]
"""Name of a table → some of its indexes."""


class Wave(Struct, frozen=True):
    """One update. `indexes`: those of each table whose indexes still differ from the declared ones. `data_only`: only stacks with tables."""

    what: str
    indexes: Mapping[str, Sequence[Index]] = {}
    data_only: bool = False


class Loss(Struct, frozen=True):
    """A change that loses data, or makes queries fail for a time. `name`: the value for `--allow`, None if no deployment can make the change."""

    name: str | None
    path: str
    message: str


def waves(declared: Shapes, deployed: Shapes) -> tuple[Wave, ...]:
    """Return the updates that lead from the deployed tables to the declared ones. A table that does not exist is created with all its indexes."""
    indexes = {name: (one.indexes, deployed[name].indexes) for name, one in declared.items() if name in deployed}
    unchanged: Indexes = {name: [one for one in now if one in was] for name, (now, was) in indexes.items()}
    added: Indexes = {name: [one for one in now if one not in was] for name, (now, was) in indexes.items()}
    removed: Indexes = {name: [one for one in was if one not in now] for name, (now, was) in indexes.items()}
    rebuilt: Indexes = {
        name: [one for one in some if one.name in _names(added[name])] for name, some in removed.items()
    }
    unused: Indexes = {name: [one for one in some if one not in rebuilt[name]] for name, some in removed.items()}

    def wave(verb: str, some: Indexes, count: int, data_only: bool, **parts: Indexes) -> Wave:
        named = [f"{name}.{listed[count - 1].name}" for name, listed in some.items() if len(listed) >= count]
        now = {name: [one for part in parts.values() for one in part[name]] for name in indexes}
        differing = {name: listed for name, listed in now.items() if {*listed} != {*declared[name].indexes}}
        return Wave(f"{verb} {', '.join(named)}" if named else verb, differing, data_only)

    first = [
        wave("remove", rebuilt, count, True, unchanged=unchanged, unused=unused, rebuilt=_after(rebuilt, count))
        for count in range(1, _longest(rebuilt) + 1)
    ]
    most = _longest(added)
    adding = [
        wave("add", added, count, count < most, unchanged=unchanged, unused=unused, added=_before(added, count))
        for count in range(1, most + 1)
    ]
    last = [
        wave("remove", unused, count, True, unchanged=unchanged, added=added, unused=_after(unused, count))
        for count in range(1, _longest(unused) + 1)
    ]
    return (*first, *(adding or [wave("functions and APIs", {}, 0, False, unchanged=unchanged, unused=unused)]), *last)


def losses(declared: Shapes, deployed: Shapes, stacked: Sequence[str] = ()) -> Iterator[Loss]:
    """Yield the changes that need `--allow`. `stacked`: the names of the tables in the deployed stacks."""
    for name in stacked:
        if name not in declared:
            items = deployed[name].items if name in deployed else 0
            count = f"{items} item{'' if items == 1 else 's'}"
            message = f"The table is no longer declared. It is removed from its stack and retained, with about {count}"
            yield Loss(f"remove:{name}", f"/{name}", message)
    for name, table in declared.items():
        was = deployed.get(name)
        if was is None:
            continue
        if table.key != was.key:
            message = f"The key of a table cannot change from {_key(was)} to {_key(table)}: give the item another table, with @stored(table=...), and run `persisty migrate`"
            yield Loss(None, f"/{name}/key", message)
        for index in was.indexes:
            if index.name in _names(table.indexes) and index not in table.indexes:
                message = "The type of an attribute of the index has changed. It is removed and built again; queries that need it fail meanwhile"
                yield Loss(f"rebuild:{name}.{index.name}", f"/{name}/{index.name}", message)


def with_indexes(plan: Plan, indexes: Any) -> Plan:
    """Return the plan with the indexes that a wave gives its tables, by table: the value of `CONTEXT`, or its JSON. `InvalidDeclaration` if it is not valid."""
    try:
        given = msgspec.json.decode(indexes) if isinstance(indexes, str) else indexes
        some = msgspec.convert(given or {}, dict[str, tuple[Index, ...]])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        fault = Fault(f"/{CONTEXT}", str(error), "the indexes of a wave, as `persisty deploy` gives them")
        raise InvalidDeclaration("The context is not valid", faults=[fault]) from error
    tables = [replace(one, indexes=some.get(one.name, one.indexes)) for one in plan.tables]
    return replace(plan, tables=tuple(tables))


def _longest(some: Indexes) -> int:
    return max(map(len, some.values()), default=0)


def _before(some: Indexes, count: int) -> Indexes:
    return {name: listed[:count] for name, listed in some.items()}


def _after(some: Indexes, count: int) -> Indexes:
    return {name: listed[count:] for name, listed in some.items()}


def _names(indexes: Sequence[Index]) -> frozenset[str]:
    return frozenset(one.name for one in indexes)


def _key(table: TableShape) -> str:
    return ", ".join(f"{one.name} ({one.type})" for one in table.key)
