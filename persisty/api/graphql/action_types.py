"""The types of custom actions in GraphQL, compared with those of items that are added or replaced while the app runs.

GraphQL has one type for each name. At the start, the schema of all operations is compared. Later, only the types of the changed items are compared with those that the
arguments and results of actions have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ...application import App
from ...errors import Fault
from ...model.derived_names import CLASS_WAY_OUT, INPUT, is_offered, origin_of, type_name
from ...model.meta import StoreMeta
from ...naming import camel
from ..action_names import WAY_OUT, actions_of, offered_names
from ..operations import ActionOperation
from .described_types import annotation_ref, attribute_ref
from .subscriptions import subscriptions
from .types import Leaf, ListOf, Record, Ref

Types = dict[str, str]
"""Name of a type, without the suffix of inputs → its definition as text."""


class TypeCheck(Struct, frozen=True):
    """The check of changed items against the types and fields of the app's custom actions."""

    app: App

    def __call__(self, metas: Mapping[str, StoreMeta[Any]], changed: Collection[str]) -> Iterator[Fault]:
        """Yield a fault for each clash."""
        actions = actions_of(self.app)
        if not actions:
            return
        used = {one.name: _types_of(one) for one in actions}
        fields = {one.field: one.name for one in actions}
        for store in sorted(name for name in changed if is_offered(metas[name])):
            yield from _faults(metas[store], used, fields)


def _faults(
    meta: StoreMeta[Any], used: Mapping[str, tuple[Types, Types]], fields: Mapping[str, str]
) -> Iterator[Fault]:
    path, named = f"/items/{meta.name}", {type_name(meta): meta.name}
    own = [*map(camel, offered_names(meta)), *(one.field for one in subscriptions([meta]))]
    for field in own:
        if field in fields:
            yield Fault(path, f"The action {fields[field]} has the field {field} of {meta.name} in GraphQL", WAY_OUT)
    classes: Types = {}
    for name in meta.attributes:
        _collect(attribute_ref(meta, name), classes)
    for action, (results, arguments) in used.items():
        for name, definition in {**results, **arguments}.items():
            if classes.get(name, definition) != definition:
                message = f"The class {name} of {meta.name} differs from that of the action {action}: GraphQL has one type for each name"
                yield Fault(path, message, CLASS_WAY_OUT, name)
        for name in (*results, *(f"{name}{INPUT}" if "{" in text else name for name, text in arguments.items())):
            if origin_of(name, named):
                message = (
                    f"GraphQL gives the name {name}, which the action {action} needs for its class, to {meta.name}"
                )
                yield Fault(path, message, CLASS_WAY_OUT, name)


def _types_of(action: ActionOperation) -> tuple[Types, Types]:
    """Return the types of an action's result, and those of its arguments."""
    results: Types = {}
    arguments: Types = {}
    _collect(annotation_ref(action.result), results)
    for parameter in action.parameters:
        _collect(annotation_ref(parameter.shape), arguments)
    return results, arguments


def _collect(ref: Ref, types: Types) -> None:
    """Add the enums and objects of a reference, with those within them. Stored items and their pages are types of the items."""
    match ref.type:
        case ListOf(item):
            _collect(item, types)
        case Leaf(name=name, values=values) if values:
            types[name] = f"enum {' '.join(values)}"
        case Record() as record if record.meta is None and record.name not in types:
            if not _is_page(record):
                types[record.name] = f"{{{', '.join(f'{one.name}: {_text(one.ref)}' for one in record.fields)}}}"
            for one in record.fields:
                _collect(one.ref, types)


def _is_page(record: Record) -> bool:
    """Return whether an object is the page of a stored item."""
    lists = (one.ref.type for one in record.fields if isinstance(one.ref.type, ListOf))
    items = (one.item.type for one in lists if isinstance(one.item.type, Record))
    return any(item.meta is not None and record.name == f"{item.name}Page" for item in items)


def _text(ref: Ref) -> str:
    """Return a reference as text."""
    name = f"[{_text(ref.type.item)}]" if isinstance(ref.type, ListOf) else ref.type.name
    return name if ref.nullable else f"{name}!"
