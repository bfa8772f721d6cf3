"""Items in memory under a changed declaration, with the outcome that they would have on an engine that decodes its stored form.

A type of another stored form is refused. A value of the same form that the new type does not allow stays as it is, and the item is `marked`.
"""

from __future__ import annotations

import enum
from typing import Any, TypeVar

import msgspec

from ..errors import Fault, InvalidDeclaration
from .absent_members import stored_decoder
from .meta import Attribute, StoreMeta, meta_of
from .missing_values import value_before
from .stored_members import members_of, stored_kind
from .stored_objects import StoredObject, stored_value
from .types import Kind
from .unreadable_items import FAULTS, UnreadableValue, marked, unreadable

T = TypeVar("T")


def converted_item(item: Any, meta: StoreMeta[T]) -> T:
    """Return the item under a changed declaration. An added attribute has the value that `missing_values` gives it.

    Raises `InvalidDeclaration` if a required attribute has none, or for an attribute of another stored form.
    """
    before, broken = meta_of(type(item)).attributes, unreadable(item)
    values: dict[str, Any] = {}
    misfits: dict[str, Exception] = {}
    for name, attribute in meta.attributes.items():
        former = before.get(name)
        if former is None:
            values[name] = _added(meta, attribute)
            continue
        if stored_kind(former) is not stored_kind(attribute):
            message = "Stored items have a value of another type"
            raise _misfit(Fault(f"/{meta.name}/{name}", message, str(attribute.kind), str(former.kind)))
        values[name] = stored = _stored(item, former)
        if former.type == attribute.type and stored is not None and name not in broken:
            continue
        try:
            values[name] = _decoded(attribute, stored)
        except FAULTS as error:
            misfits[name] = error
            if isinstance(stored, enum.Enum):  # filters and links compare the stored value
                values[name] = stored.value
    return marked(meta, values, misfits)


def _stored(item: Any, former: Attribute) -> Any:
    value = former.get(item)
    kept = stored_value(item, former.name) if value is None else None
    return kept.members if isinstance(kept, StoredObject) else value


def _added(meta: StoreMeta[Any], attribute: Attribute) -> Any:
    before = value_before(attribute)
    if before is None and not attribute.optional:
        path = f"/{meta.name}/{attribute.name}"
        raise _misfit(Fault(path, "Stored items have no value for it", "an attribute with a constant default"))
    return None if before is None else before()


def _misfit(fault: Fault) -> InvalidDeclaration:
    return InvalidDeclaration("Stored items do not fit the changed schema", faults=[fault])


def _decoded(attribute: Attribute, stored: Any) -> Any:
    """Return a stored value as the attribute's type has it. Raises one of `FAULTS` if it does not."""
    if stored is None:
        before = value_before(attribute)
        if not attribute.optional and before is None:
            raise UnreadableValue(attribute.name)
        return None if attribute.optional or before is None else before()
    if attribute.kind is Kind.JSON:
        return stored_decoder(attribute.type)(msgspec.json.encode(stored))
    value, members = stored.value if isinstance(stored, enum.Enum) else stored, members_of(attribute)
    return value if members is None else members[value]
