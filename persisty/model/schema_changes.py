"""The differences between the stored schema of an item and its declaration, as data: a `Change` each, with its cost and the data that it loses.

`persisty diff` prints changes, `persisty migrate` applies them. `schema_differences` finds those that stop the start.

```
safe          no stored value is read or written, and nothing is lost
slow          stored items are read or written: a backfill, an index that is built, a check of every item
waves         DynamoDB changes one index at a time, each in a separate deployment
destructive   values are deleted: applied only if it is named, as `--allow drop:car.odometer`
```
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from .change_messages import constraints, listed, never_stored, shown
from .meta import StoreMeta
from .missing_values import default_before, value_before
from .nested_differences import nested_differences
from .schema import AttributeSchema, Default, Enumeration, Function, IndexSchema, Schema, Value, canonical
from .schema_differences import form, remedy
from .schema_types import Choice, Named
from .stored_names import stored_names, stored_renames
from .value_conversions import CONVERSIONS

DYNAMODB = "dynamodb"
"""Name of the engine with different effects."""


class Effect(enum.StrEnum):
    SAFE = "safe"
    SLOW = "slow"
    WAVES = "waves"
    DESTRUCTIVE = "destructive"


S, L, W, D = Effect.SAFE, Effect.SLOW, Effect.WAVES, Effect.DESTRUCTIVE
EFFECTS: dict[str, tuple[Effect, Effect]] = {
    "item_added": (S, S),
    "item_renamed": (S, L),
    "table_changed": (S, L),
    "item_removed": (D, D),
    "engine_changed": (L, L),
    "key_changed": (L, L),
    "attribute_added": (S, S),
    "attribute_removed": (D, D),
    "attribute_renamed": (S, L),
    "attribute_retyped": (L, L),
    "attribute_optional": (S, S),
    "attribute_required": (L, L),
    "members_added": (S, S),
    "members_removed": (L, L),
    "constraints_changed": (S, S),
    "nested_changed": (S, S),
    "nested_narrowed": (L, L),
    "default_changed": (S, S),
    "index_added": (L, W),
    "index_removed": (S, W),
    "unique_added": (L, L),
    "unique_removed": (S, S),
    "link_added": (S, S),
    "link_removed": (S, S),
    "link_changed": (S, S),
    "expires_changed": (S, S),
}
"""Kind of a change → its effect on engines with columns, and on DynamoDB."""


class Change(Struct, frozen=True, kw_only=True):
    """One difference. `name`: the attribute, index or link; empty for a change of the item itself.

    `message` is one sentence. `blocked`: why the change cannot be applied while items are stored, and what to declare instead. `allow`: the value
    of `--allow` that permits a destructive change.
    """

    kind: str
    effect: Effect
    store: str
    name: str = ""
    message: str
    before: str | None = None
    after: str | None = None
    blocked: str | None = None
    allow: str | None = None

    @property
    def path(self) -> str:
        """The place in the declarations: `/car/mileage`."""
        return f"/{self.store}/{self.name}" if self.name else f"/{self.store}"


class Changes:
    """Builds the changes of one store, with their effects on an engine."""

    def __init__(self, store: str, engine: str) -> None:
        self._store, self._column = store, int(engine == DYNAMODB)

    def make(self, kind: str, message: str, name: str = "", **more: Any) -> Change:
        """Return a change of this kind, a row of `EFFECTS`."""
        effect = EFFECTS[kind][self._column]
        if effect is Effect.DESTRUCTIVE:
            more["allow"] = f"drop:{self._store}.{name}" if name else f"drop:{self._store}"
        return Change(kind=kind, effect=effect, store=self._store, name=name, message=message, **more)


def changes_of(stored: Schema, declared: StoreMeta[Any], engine: str) -> list[Change]:
    """Return the changes from a stored schema to the declaration, in the order in which they are applied. The caller compares the names of the
    stores. `engine`: the name of the engine that stores the items."""
    make, keeps_names = Changes(declared.name, engine), engine == DYNAMODB
    renamed = (stored_renames if keeps_names else renames)(stored, declared.schema)
    return [
        *_attributes(stored, declared, renamed, make, keeps_names=keeps_names),
        *_key(stored, declared.schema, renamed, make),
        *_indexes(stored, declared.schema, renamed, make),
        *_links(stored, declared.schema, make),
        *_item(stored, declared.schema, make),
    ]


def renames(stored: Schema, declared: Schema) -> dict[str, str]:
    """Return former name → name, of attributes that are stored under a former name."""
    before, now = {one.name for one in stored.attributes}, {one.name for one in declared.attributes}
    found: dict[str, str] = {}
    for one in declared.attributes:
        former = next((old for old in reversed(one.former_names) if old in before and old not in now), None)
        if former is not None and one.name not in before and former not in found:
            found[former] = one.name
    return found


def _attributes(
    stored: Schema, declared: StoreMeta[Any], renamed: Mapping[str, str], make: Changes, *, keeps_names: bool
) -> Iterator[Change]:
    """Yield the changes of attributes. `keeps_names`: the engine stores an attribute under its first name."""
    before = {one.name: one for one in stored.attributes}
    former = {name: old for old, name in renamed.items()}
    for one in declared.schema.attributes:
        former_attribute = before.get(former.get(one.name, one.name))
        if keeps_names and one.name in renamed and one.name not in former:
            former_attribute = None  # its name is the former one of another
        if keeps_names:
            yield from _moved(stored, declared.schema, former_attribute, one, make)
        elif one.name in former:
            old = former[one.name]
            yield make.make("attribute_renamed", f"{old} is now {one.name}", one.name, before=old, after=one.name)
        if former_attribute is None:
            yield _added(declared, one, before.keys(), make)
        else:
            yield from _altered(stored, declared, former_attribute, one, make)
    now = {one.name: one for one in declared.schema.attributes}
    for name in before:
        if name not in now and name not in renamed:
            successor = next((one.name for one in declared.schema.attributes if name in one.former_names), None)
            message = f"{name} is no longer declared: its values would be deleted"
            if successor is not None:
                message = f"{name} was renamed to {successor}, which has its values: drop it when no older code runs"
            yield make.make("attribute_removed", message, name)


def _moved(
    stored: Schema, declared: Schema, former_attribute: AttributeSchema | None, one: AttributeSchema, make: Changes
) -> Iterator[Change]:
    """Yield the change of an attribute that has another name, or that is stored under another one."""
    if former_attribute is None:
        return
    places = stored_names(stored)
    was, now = places[former_attribute.name], stored_names(declared)[one.name]
    if was != now:
        taken = now in places.values()
        blocked = f"{now} has values of its own: remove the former name of {one.name}" if taken else None
        message = f"{one.name} is stored as {now}, was {was}: its values are moved, and older code no longer finds them"
        yield make.make("attribute_renamed", message, one.name, before=was, after=now, blocked=blocked)
    elif former_attribute.name != one.name:
        message = f"{former_attribute.name} is now {one.name}: items still store it as {now}"
        change = make.make("attribute_renamed", message, one.name, before=was, after=now)
        yield structs.replace(change, effect=Effect.SAFE)


def _added(declared: StoreMeta[Any], one: AttributeSchema, stored: Collection[str], make: Changes) -> Change:
    """Return the change of an attribute without stored values. `stored`: the names that have some."""
    is_new, value = f"{one.name} is new{never_stored(one, stored)}", value_before(declared.attributes[one.name])
    if value is not None:
        return make.make("attribute_added", f"{is_new}: stored items read with {shown(value(), one)}", one.name)
    if one.optional:
        return make.make("attribute_added", f"{is_new}: stored items read with None", one.name)
    blocked = f"Stored items have no value for {one.name}: {remedy(one)}"
    return make.make("attribute_added", is_new, one.name, blocked=blocked)


def _altered(
    stored: Schema, declared: StoreMeta[Any], was: AttributeSchema, one: AttributeSchema, make: Changes
) -> Iterator[Change]:
    """Yield the changes of an attribute that has stored values."""
    schema, name = declared.schema, one.name
    old, new = form(stored, was), form(schema, one)
    if old != new and "any" not in (old, new):
        convertible = (old, new) in CONVERSIONS
        blocked = (
            None
            if convertible
            else (
                f"{old} cannot be converted to {new}: declare a new attribute, copy the values in code, and remove this one"
            )
        )
        message = f"{name} is {new} now, was {old}: each value is converted"
        yield make.make("attribute_retyped", message, name, before=old, after=new, blocked=blocked)
        if convertible and (after := members(schema, one)) is not None:
            message = f"{name} has only {listed(after)} now: each stored value is checked"
            yield make.make("members_removed", message, name, before="any", after=listed(after))
    else:
        yield from _constrained(stored, schema, was, one, make)
    if was.optional and not one.optional:
        value = value_before(declared.attributes[name])
        filled = f"items without a value get {shown(value(), one)}" if value else "each item must have a value"
        yield make.make("attribute_required", f"{name} is required now: {filled}", name)
    elif one.optional and not was.optional:
        yield make.make("attribute_optional", f"{name} may be None now", name)
    yield from _defaulted(was, one, make)


def _defaulted(was: AttributeSchema, one: AttributeSchema, make: Changes) -> Iterator[Change]:
    """Yield the change of a default. Where an attribute with None becomes required, `attribute_required` already names its default."""
    before, after = default_before(was), default_before(one)
    gets_first = before is None and (not was.optional or not one.optional)
    if canonical(before) != canonical(after) and not gets_first:
        old, new = _default(before, was), _default(after, one)
        now = f"{one.name} has no default now" if after is None else f"{one.name} defaults to {new} now"
        yield make.make("default_changed", f"{now}: stored items keep their values", one.name, before=old, after=new)


def _default(default: Default | None, one: AttributeSchema) -> str:
    if isinstance(default, Function):
        return default.function
    return shown(default.value if isinstance(default, Value) else None, one)


def _constrained(
    stored: Schema, schema: Schema, was: AttributeSchema, one: AttributeSchema, make: Changes
) -> Iterator[Change]:
    """Yield the changes of a type that is stored in the same form."""
    name = one.name
    before, after = members(stored, was), members(schema, one)
    if before is not None and before == after and isinstance(one.type, Named):
        return  # only names of members, or that of the class, are others: values are stored
    if after is not None and before != after:
        dropped, new = ([] if before is None else [each for each in before if each not in after]), after
        if before is None or dropped:
            removed = f"{name} no longer has {listed(dropped)}" if dropped else f"{name} has only {listed(new)} now"
            message = f"{removed}: each stored value is checked"
            yield make.make("members_removed", message, name, before=listed(before or ()) or "any", after=listed(after))
        if before is not None and (added := [each for each in after if each not in before]):
            yield make.make("members_added", f"{name} may be {listed(added)} now", name)
        return
    nested = form(schema, one) in ("object", "list")
    lost, removed_fields = nested_differences(stored, was, schema, one) if nested else ([], [])
    if lost or removed_fields:
        why = [
            *lost,
            *(
                f"{path} is no longer declared: its values are not read, and the next write of the attribute deletes them"
                for path in removed_fields
            ),
        ]
        message = (
            f"{name} has another nested type: {'; '.join(why)}. Each stored value is checked (see stored-before.md)"
        )
        yield make.make("nested_narrowed", message, name)
    elif _comparable(stored, was) != _comparable(schema, one):
        if form(schema, one) in ("object", "list", "any"):
            yield make.make("nested_changed", f"{name} has another nested type, which takes every stored value", name)
        else:
            message = f"{name} has other constraints{constraints(was.type, one.type)}: they apply to new values"
            yield make.make("constraints_changed", message, name)


def _comparable(schema: Schema, one: AttributeSchema) -> Any:
    """Return a type as JSON values, with the types that it names, without documentation and the name of a class that the app supplies."""
    type_ = one.type
    named = schema.types.get(type_.name) if isinstance(type_, Named) else None
    return canonical(structs.replace(named, python=None) if named else type_, documented=False)


def members(schema: Schema, one: AttributeSchema) -> tuple[str | int, ...] | None:
    """Return the values that an enum or a `Literal` allows, None for any other type."""
    type_ = one.type
    if isinstance(type_, Choice):
        return tuple(each for each in type_.values if each is not None)
    definition = schema.types.get(type_.name) if isinstance(type_, Named) else None
    return tuple(definition.members.values()) if isinstance(definition, Enumeration) else None


def _key(stored: Schema, declared: Schema, renamed: Mapping[str, str], make: Changes) -> Iterator[Change]:
    before = tuple(renamed.get(name, name) for name in stored.key)
    if before != declared.key:
        old, new = ", ".join(stored.key), ", ".join(declared.key)
        message = f"The key is {new} now, was {old}: every item gets another key"
        yield make.make("key_changed", message, before=old, after=new)


def _indexes(stored: Schema, declared: Schema, renamed: Mapping[str, str], make: Changes) -> Iterator[Change]:
    before = {
        structs.replace(one, attributes=tuple(renamed.get(name, name) for name in one.attributes))
        for one in stored.indexes
    }
    for one in sorted(before - {*declared.indexes}, key=_ordered):
        kind = "unique" if one.unique else "index"
        yield make.make(f"{kind}_removed", f"{_index(one)} is no longer declared", index_label(one))
    for one in declared.indexes:
        if one not in before:
            kind = "unique" if one.unique else "index"
            checked = ": no two items may share the values" if one.unique else ": it is built from the stored items"
            yield make.make(f"{kind}_added", f"{_index(one)} is new{checked}", index_label(one))


def _ordered(index: IndexSchema) -> tuple[Any, ...]:
    return (index.unique, index.attributes)


def index_label(index: IndexSchema) -> str:
    """Return the name of the change of an index."""
    return "-".join(("unique" if index.unique else "by", *index.attributes))


def _index(index: IndexSchema) -> str:
    return f"The {'unique ' if index.unique else ''}index over {', '.join(index.attributes)}"


def _links(stored: Schema, declared: Schema, make: Changes) -> Iterator[Change]:
    before, now = ({one.name: one for one in schema.links} for schema in (stored, declared))
    for name, link in now.items():
        if name not in before:
            yield make.make(
                "link_added", f"The link {name} to {link.target} is new: stored foreign keys are not checked", name
            )
        elif canonical(before[name], documented=False) != canonical(link, documented=False):
            yield make.make("link_changed", f"The link {name} has changed: no stored value does", name)
    for name in before.keys() - now.keys():
        yield make.make("link_removed", f"The link {name} is no longer declared: its foreign keys stay", name)


def _item(stored: Schema, declared: Schema, make: Changes) -> Iterator[Change]:
    if stored.expires != declared.expires:
        after = f"items expire by {declared.expires} now" if declared.expires else "items no longer expire"
        yield make.make("expires_changed", after[0].upper() + after[1:], before=stored.expires, after=declared.expires)
