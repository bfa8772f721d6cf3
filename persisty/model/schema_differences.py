"""Compare the stored schema of an item with its declaration: find the differences that make stored items unreadable.

Harmless differences are not faults: access rules, links, indexes, bounds, documentation, the members of an enum (an item with a removed member
is reported when it is read), a removed attribute, a new attribute that has a value in stored items (see `missing_values`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from ..errors import Fault
from .change_messages import never_stored
from .meta import StoreMeta
from .missing_values import default_before, value_before
from .schema import AttributeSchema, Default, Definition, Enumeration, Function, Schema, Value, canonical
from .schema_types import Choice, List, Named, OneOf, Python, Type
from .stored_names import predecessors, stored_names
from .value_conversions import KIND_OF

OPAQUE: dict[type[Type], str] = {Python: "any", List: "list"}
"""Types with a form of their own. `any` is not compared: a schema only names such a type."""
KEYED = "Stored items keep their old key: declare it again, or `persisty migrate` gives them the new one"
MOVED = (
    "Stored items have it as {was}, and this declaration stores it as {now}. If its values were copied from {now}, remove its former name. Otherwise stop older "
    "code, and run `persisty migrate`"
)
NONE_CHANGES = "Where stored items have None, the attribute is absent, and would read with its default now. Run `persisty migrate`, which stores these values"
DEFAULT_CHANGES = (
    "Items that lack it would read with another value. Run `persisty migrate`, which stores their value first"
)
REUSED = (
    "{old} is a former name of {name} and an attribute too, so {name} would not get its values. Rename it first, and declare {old} anew in the next migration. If {name} has "
    "values of its own, remove its former name"
)
TIMES = frozenset({"created", "updated"})
"""Generators of times."""
SIMILAR = 0.75
"""Share of equal attributes from which a new item is treated as a renamed one."""


def differences(
    stored: Schema, declared: StoreMeta[Any], columns: Collection[str] | None = None, mirrored: Collection[str] = ()
) -> Iterator[Fault]:
    """Yield a fault for each difference that makes items stored under a schema unreadable.

    `columns`: the columns of the table. A table with a column of the new name and none of the former name was renamed. None: the items have no columns.
    `mirrored`: columns of former names whose values the new columns have, too.
    """
    name, schema = declared.name, declared.schema
    names_before = stored_names(stored)
    names_now = stored_names(schema)
    same_key = columns is None and [names_before[one] for one in stored.key] == [names_now[one] for one in schema.key]
    if stored.key != schema.key and not same_key:
        yield Fault(
            f"/{name}",
            "The key is another one. "
            + (
                "Give the item another table, as in @stored(table=...), and run `persisty migrate`"
                if columns is None
                else KEYED
            ),
            ", ".join(schema.key),
            ", ".join(stored.key),
        )
    before = {one.name: one for one in stored.attributes}
    now = {one.name for one in schema.attributes}
    values = predecessors(stored, schema)
    for one in schema.attributes:
        path = f"/{name}/{one.name}"
        former = next((old for old in one.former_names if old in before and old not in now), None)
        renamed = columns is not None and one.name in columns and (former not in columns or former in mirrored)
        stored_attribute = before.get(one.name) or (before[former] if former and renamed else None)
        if columns is None:  # the values stay under the first name
            stored_attribute = values.get(one.name)
        if (
            columns is None
            and stored_attribute is not None
            and names_before[stored_attribute.name] != names_now[one.name]
        ):
            yield Fault(
                path, MOVED.format(name=one.name, was=names_before[stored_attribute.name], now=names_now[one.name])
            )
        elif stored_attribute is not None:
            was, is_ = form(stored, stored_attribute), form(schema, one)
            if was != is_ and "any" not in (was, is_):
                message = "Stored items have a value of another type: declare it as before, or `persisty migrate` converts them"
                yield Fault(path, message, is_, was)
            elif columns is None and _none_reads_as_default(stored, stored_attribute, declared, one):
                yield Fault(path, NONE_CHANGES)
            elif columns is None and one.name not in schema.key:
                before_default, default = absent_default(stored, stored_attribute), absent_default(schema, one)
                if before_default is not None and canonical(before_default) != canonical(default):
                    yield Fault(path, DEFAULT_CHANGES, _shown(default), _shown(before_default))
        elif former is not None:
            yield Fault(path, _copying(schema, one.name, former, columns))
        elif columns is not None and one.name in columns:
            continue  # newer code stored it, or it was renamed again: the table itself is compared
        elif not one.optional and value_before(declared.attributes[one.name]) is None:
            removed = [
                old.name for old in stored.attributes if old.name not in now and form(stored, old) == form(schema, one)
            ]
            renaming = f". If it was renamed, declare {' or '.join(map(named_before, removed))}" if removed else ""
            yield Fault(path, f"Stored items have no value for it: {remedy(one)}{renaming}")


def absent_default(schema: Schema, one: AttributeSchema) -> Default | None:
    """Return the default with which items that lack an attribute are read, None if they read as None. An index takes no stored null, so None is absent there."""
    is_indexed = any(one.name in index.attributes for index in schema.indexes)
    return None if one.optional and is_indexed else default_before(one)


def _shown(default: Default | None) -> str:
    if isinstance(default, Function):
        return default.function
    return "None" if default is None else msgspec.json.encode(canonical(default)["value"]).decode()


def _none_reads_as_default(
    stored: Schema, before: AttributeSchema, declared: StoreMeta[Any], now: AttributeSchema
) -> bool:
    """Return whether an absent attribute is None in the stored schema and has a default in the declaration. An index takes no stored null."""
    indexed = any(before.name in one.attributes for one in stored.indexes)
    no_default = before.generator is None and before.default in (None, Value(value=None))
    make = value_before(declared.attributes[now.name])
    still = any(now.name in one.attributes for one in declared.indexes)
    return before.optional and (indexed or no_default) and now.optional and not still and make is not None


def hidden_values(
    stored: Schema, declared: StoreMeta[Any], abandoned: Collection[str] = (), *, keeps_names: bool = False
) -> Iterator[Fault]:
    """Yield a fault for each new attribute that may be a renamed one: stored items read with a value of the new attribute, so the values under the
    former name would be lost without an error.

    `abandoned`: attributes whose values are no longer needed, such as `car.odometer`. `keeps_names`: the engine stores an attribute under its first
    name, so older code reads the values of newer code's name.
    """
    name, schema = declared.name, declared.schema
    for one, old in reused_names(stored, schema):
        yield Fault(f"/{name}/{one.name}", REUSED.format(name=one.name, old=old))
    before = {one.name for one in stored.attributes}
    if keeps_names:
        before |= predecessors(stored, schema).keys()
    now = {former for one in schema.attributes for former in (one.name, *one.former_names)}
    undeclared = [one for one in stored.attributes if one.name not in now and f"{name}.{one.name}" not in abandoned]
    for one in schema.attributes:
        if one.name in before or not before.isdisjoint(one.former_names):
            continue
        similar = [old.name for old in undeclared if _are_similar(stored, old, schema, one)]
        if similar and (one.optional or value_before(declared.attributes[one.name]) is not None):
            hidden = " and ".join(similar)
            yield Fault(
                f"/{name}/{one.name}",
                f"{hidden}, of the same type, {'is' if len(similar) == 1 else 'are'} no longer declared, so the values of {hidden} would no longer be "
                f"read{never_stored(one, before)}. If it was renamed, declare {' or '.join(map(named_before, similar))}. If not, abandon these values with "
                f"App(abandoned={[f'{name}.{old}' for old in similar]})".replace("'", '"'),
            )


def reused_names(stored: Schema, declared: Schema) -> Iterator[tuple[AttributeSchema, str]]:
    """Yield each declared attribute with a former name that is stored and declared as another attribute. Leave out a rename that was migrated before: the
    stored schema has the former name too."""
    before, now = {one.name: one for one in stored.attributes}, {one.name for one in declared.attributes}
    for one in declared.attributes:
        names = [one.name, *(old for old in reversed(one.former_names) if old not in now)]
        was = next((before[name] for name in names if name in before), None)
        known = () if was is None else (was.name, *was.former_names)
        for old in one.former_names:
            if old != one.name and old in before and old in now and old not in known:
                yield one, old


def _are_similar(stored: Schema, old: AttributeSchema, schema: Schema, new: AttributeSchema) -> bool:
    same = (old.optional, old.default, old.generator) == (new.optional, new.default, new.generator)
    return same and form(stored, old) == form(schema, new)


def remedy(one: AttributeSchema) -> str:
    """Return what to declare for a new attribute that has no value in stored items."""
    if one.generator is None:
        return "declare a default, or let it be None"
    shown = f", as in `{one.name}: Attr[datetime | None] = {one.generator.upper()}`" if one.generator in TIMES else ""
    return f"it is generated for new items only. Let it be None{shown}"


def named_before(former: str) -> str:
    """Return the declaration of a former name."""
    return f'former_names="{former}"'


def _copying(schema: Schema, name: str, former: str, columns: Collection[str] | None) -> str:
    """Return the message that tells how to move stored values from a former attribute to its new name."""
    if columns is not None and name in columns:
        return (
            f"Stored items have it as {former}, and the table has both columns. If a migration was interrupted, run `persisty migrate` again. "
            f"Otherwise copy the values of {former} into {name}, then drop the column {former} and start again"
        )
    key = ", ".join(f"item.{one}" for one in schema.key)
    key = key if len(schema.key) == 1 else f"({key})"
    return (
        f"Stored items have it as {former}. If no older code runs, `persisty migrate` moves the values. Where older code runs, copy them. Declare {former} and {name} "
        f"together, {name} with a default or None and without its former name, and start. Copy the values: for item in store.search_all(): store.update({key}, {{{name!r}: item.{former}}}). "
        f"Then remove {former} from the class and start again"
    )


def form(schema: Schema, attribute: AttributeSchema) -> str:
    """Return the form in which the values of an attribute are stored, such as `string`, `list` or `object`."""
    return _form(schema, attribute.type)


def _form(schema: Schema, type_: Type) -> str:
    if isinstance(type_, Choice):
        return "integer" if all(isinstance(one, int) for one in type_.values) else "string"
    if isinstance(type_, Named):
        return _defined(schema.types.get(type_.name))
    if isinstance(type_, OneOf):
        forms = {_form(schema, one) for one in type_.types}
        return forms.pop() if len(forms) == 1 else "object"
    tag = str(type_.__struct_config__.tag)
    return OPAQUE.get(type(type_)) or (tag if tag in KIND_OF else "object")


def _defined(definition: Definition | None) -> str:
    if isinstance(definition, Enumeration):
        return "integer" if all(isinstance(one, int) for one in definition.members.values()) else "string"
    return "object"


def is_similar(stored: Schema, declared: Schema) -> bool:
    """Return whether a declared item looks like a stored one under another name."""
    if stored.name in declared.former_names or declared.name in stored.former_names:
        return True
    before, now = ({(one.name, form(schema, one)) for one in schema.attributes} for schema in (stored, declared))
    return stored.key == declared.key and len(before & now) >= SIMILAR * len(before | now)
