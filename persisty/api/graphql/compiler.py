"""Compile the selection of a type to a plan.

The types are those of `types.py` and `result_types.py`, so one compiler serves the hosted endpoint and AppSync. They differ in the `Dialect`.
AppSync checks and serializes scalars itself, accepts structures for AWSJSON, and finds fields by name instead of alias.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from msgspec import UNSET, Struct

from ...model.meta import Attribute, StoreMeta
from ...model.types import Kind, identity
from ...naming import pascal
from ...store.page_bytes import SIZES
from ..operations import ActionOperation, Operation, StoreOperation
from .described_types import attribute_ref
from .executor import Items, Member, Node, Objects, Value, Whole
from .links import load, most
from .result_types import RESULTS, LinkField, link_fields, result_ref
from .selection import TYPENAME, Selected
from .types import EXACT, INT, UNBOUNDED, WHOLE, Form, Leaf, ListOf, Record, Ref
from .values import ANSWERS, member_of, plain_json

RANGES: dict[Leaf, tuple[int, int]] = {INT: (-(2**31), 2**31 - 1), WHOLE: (-EXACT, EXACT), UNBOUNDED: (-EXACT, EXACT)}
"""Type of integers → its least and its greatest value."""


class Dialect(Struct, frozen=True):
    """The form of values on a surface. `check`: leaf → function that serializes a value and raises for an invalid one. `json`: writes AWSJSON."""

    check: Callable[[Leaf], Callable[[Any], Any]]
    json: Callable[[Any], Any]


class Planner:
    """Compiles selections of one schema. `offered`: the items that links may lead to."""

    def __init__(self, dialect: Dialect, offered: Container[StoreMeta[Any]]) -> None:
        self._dialect, self._offered = dialect, offered
        self._links: dict[StoreMeta[Any], Mapping[str, LinkField]] = {}

    def root(self, operation: Operation, selected: Selected, parent: str) -> Node:
        """Return the plan of a root field."""
        ref = result_ref(operation)
        stored = not isinstance(operation, ActionOperation)
        return self._node(ref, selected, parent, _Origin(stored and not operation.mutation, stored=stored))

    def needed(self, operation: Operation, selected: Selected) -> tuple[str, ...] | None:
        """Return the attributes that the items of a search need to have. None for all of them, and for other operations."""
        if not isinstance(operation, StoreOperation) or operation.verb != "search":
            return None
        fields = [one for page in selected.below if page.name == "items" for one in page.below]
        if any(one.get is not None for one in fields):
            return None
        names = self._named(operation.meta, self.links(operation.meta), fields)
        return None if len(names) == len(operation.meta.attributes) else names or operation.meta.key.attributes

    def event(self, meta: StoreMeta[Any], selected: Selected, parent: str) -> Node:
        """Return the plan of the item of an event, with the attributes that the caller may read."""
        return self._node(RESULTS["item"](meta), selected, parent, _KNOWN)

    def below(self, meta: StoreMeta[Any], selected: Selected) -> Member:
        """Return the plan of a link, without the plan of the items that have it."""
        return self._of_item(meta, pascal(meta.name), selected, _KNOWN)

    def links(self, meta: StoreMeta[Any]) -> Mapping[str, LinkField]:
        """Return the links of an item that are fields, by name."""
        found = self._links.get(meta)
        if found is None:
            found = self._links[meta] = link_fields(meta, self._offered)
        return found

    def _node(self, ref: Ref, selected: Selected, owner: str, origin: _Origin) -> Node:
        match ref.type:
            case Leaf() as leaf:
                whole = self._column(leaf, nullable=ref.nullable) if origin.known else None
                return Value(selected, ref.answered.nullable, owner, self._spell(leaf), whole)
            case ListOf(item):
                return Items(selected, ref.nullable, owner, self._node(item, selected, owner, origin))
            case Record(meta=StoreMeta() as meta) as record:
                members = [self._of_item(meta, record.name, one, origin) for one in selected.below]
                return Objects(selected, ref.nullable, owner, members)
            case Record() as record:
                members = [self._of_record(record, one, origin) for one in selected.below]
                return Objects(selected, ref.nullable, owner, members)

    def _of_record(self, record: Record, selected: Selected, origin: _Origin) -> Member:
        if selected.name == TYPENAME:
            return _typename(selected, record.name)
        field = next(one for one in record.fields if one.name == selected.name)
        known = origin.known and not record.keyed
        get = attrgetter(field.attribute) if known else partial(member_of, name=field.attribute)
        ref = Ref(field.ref.type, nullable=True) if field.omittable else field.ref
        node = self._node(ref, selected, record.name, origin)
        return Member(selected.key, node, get, measured=isinstance(node, Value))

    def _of_item(self, meta: StoreMeta[Any], owner: str, selected: Selected, origin: _Origin) -> Member:
        if selected.name == TYPENAME:
            return _typename(selected, owner)
        if selected.get is not None:
            return Member(selected.key, None, selected.get)
        link = self.links(meta).get(selected.name)
        if link is not None:
            node = self._node(link.ref, selected, owner, _KNOWN)
            many = partial(most, selected) if link.link.kind == "has_many" else None
            needed = self._needed(link, selected)
            loads = partial(load, meta, link, selected, needed)
            return Member(selected.key, node, load=loads, many=many, measured=isinstance(node, Value))
        attribute, ref = meta.attributes[selected.name], attribute_ref(meta, selected.name)
        ref = Ref(ref.type, ref.answered.nullable or attribute.readable is not True)
        if not origin.known or not isinstance(ref.type, Leaf):
            known = origin.known or origin.stored
            get = attribute.get if known else partial(member_of, name=attribute.name)
            node = self._node(ref, selected, owner, origin)
            return Member(selected.key, node, get, measured=isinstance(node, Value))
        whole = self._whole(attribute, ref.type)
        plain = None if whole is None else Value(selected, ref.nullable, owner, self._spell(ref.type), whole)
        return Member(selected.key, plain, attribute.get, measured=attribute.kind in MAY_BE_LONG)

    def _needed(self, link: LinkField, selected: Selected) -> tuple[str, ...]:
        """Return the attributes of linked items that are selected, and those that their own selected links use."""
        fields = selected.below
        if link.link.kind == "has_many":
            fields = tuple(one for page in fields if page.name == "items" for one in page.below)
        return self._named(link.target, self.links(link.target), fields)

    @staticmethod
    def _named(meta: StoreMeta[Any], links: Mapping[str, LinkField], fields: Sequence[Selected]) -> tuple[str, ...]:
        """Return the attributes that fields of an item show, and those that its links use."""
        names = {links[one.name].link.ends.local if one.name in links else one.name for one in fields}
        return tuple(name for name in meta.attributes if name in names)

    def _whole(self, attribute: Attribute, leaf: Leaf) -> Whole | None:
        """Return the function that converts a column at once, or None if values need no conversion."""
        open_ = attribute.readable is True
        if open_ and leaf.form is Form.SAME and attribute.kind is not Kind.INTEGER:
            return None
        return self._column(leaf, nullable=not open_)

    def _column(self, leaf: Leaf, *, nullable: bool) -> Whole:
        """Return the function that converts a column of values of a type at once."""
        if leaf in RANGES:
            return partial(within, *RANGES[leaf])
        spell = self._dialect.json if leaf.form in STRUCTURED else ANSWERS.get(leaf.form)
        if spell is not None:
            return partial(_each, spell)
        return _present if nullable else identity

    def _spell(self, leaf: Leaf) -> Callable[[Any], Any]:
        plain, check = ANSWERS.get(leaf.form, plain_json), self._dialect.check(leaf)
        return lambda value: None if (found := plain(value)) is None else check(found)


STRUCTURED = frozenset({Form.STRUCTURE, Form.ANY})
MAY_BE_LONG = frozenset(SIZES)
"""Kinds whose values count towards the size of a response."""


class _Origin(Struct, frozen=True):
    """The origin of values. `known`: a store read them, so their types are right. `stored`: a verb of a store returned them, so items are instances of
    their classes."""

    known: bool
    stored: bool


_KNOWN = _Origin(known=True, stored=True)


def _typename(selected: Selected, name: str) -> Member:
    return Member(selected.key, None, lambda _: name, measured=False)


def _each(spell: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [None if one is None or one is UNSET else spell(one) for one in values]


def _present(values: list[Any]) -> list[Any]:
    """Return the values with null for those that are UNSET."""
    return [None if one is UNSET else one for one in values]


def within(least: int, greatest: int, values: list[Any]) -> list[Any] | None:
    """Return the integers if all of them are in the range, else None."""
    try:
        fine = not values or (min(values) >= least and max(values) <= greatest)
    except TypeError:  # null or UNSET among them
        present = [one for one in values if one is not None]
        return None if len(present) == len(values) or within(least, greatest, present) is None else values
    return values if fine else None
