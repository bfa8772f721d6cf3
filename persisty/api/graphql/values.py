"""Convert values between GraphQL and the operations, as the types of `types.py` define.

`answer` converts the result of an operation to the JSON of its GraphQL type. `given` converts an argument to the plain JSON that operations
take. It does not validate: a value that does not fit is returned unchanged, and the operation reports the fault.

AWSJSON is text only on the wire. The hosted schema's scalar, or AppSync, parses an input and serializes an output, so this module handles the
structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from ...errors import Unsupported
from ...model import nesting
from ...model.meta import StoreMeta, meta_of, per_meta
from ...model.schema_types import Set
from ...model.set_order import ordered, ordered_builtins, ordered_json
from ...model.type_descriptions import description_of
from ...model.types import Kind
from .described_types import attribute_ref
from .types import EXACT, Field, Form, Leaf, ListOf, Record, Ref, within_lists

_DIGITS = re.compile(r"0|-?[1-9][0-9]{0,18}")


def plain_json(value: Any) -> Any:
    """Return a value as JSON in builtins: keys are texts, and numbers that JSON does not have are null."""
    return msgspec.json.decode(ordered_json(value))


def _digits(value: Any) -> str:
    return str(msgspec.to_builtins(value))


def _exact(value: Any) -> Any:
    """Return the integer. Raise `Unsupported` for one that a Float would round, and for any other value."""
    found = plain_json(value)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not isinstance(found, int):
        raise Unsupported("Expected an integer")
    if not -EXACT <= found <= EXACT:
        raise Unsupported(
            f"{value} is beyond ±{EXACT}, the integers that GraphQL's Float represents exactly. If both bounds of the integer are declared, "
            "it is text: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]"
        )
    return found


def _instant(value: Any) -> Any:
    return plain_json(value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value)


def _exact_or_null(value: Any) -> Any:
    try:
        return _exact(value)
    except Unsupported:
        return None


ANSWERS: dict[Form, Callable[[Any], Any]] = {
    Form.WHOLE: _exact,
    Form.UNBOUNDED: _exact,
    Form.DIGITS: _digits,
    Form.INSTANT: _instant,
    Form.STRUCTURE: plain_json,
    Form.ANY: plain_json,
}
"""Form → function that converts an attribute's value to its JSON in GraphQL. For other forms it is the same as in REST."""
WITHOUT_ERRORS: dict[Form, Callable[[Any], Any]] = {
    **ANSWERS,
    Form.WHOLE: _exact_or_null,
    Form.UNBOUNDED: _exact_or_null,
}
"""The same for responses in which a single field cannot have an error."""


def answer(
    ref: Ref,
    value: Any,
    spell: Mapping[Form, Callable[[Any], Any]] = ANSWERS,
) -> Any:
    """Return a result as the JSON of its GraphQL type.

    A part of the result that GraphQL cannot represent is null. Raises `Unsupported` if the result itself cannot be represented.
    """
    if value is None or value is UNSET:
        return None
    match ref.type:
        case Leaf(form=form):
            return spell.get(form, plain_json)(value)
        case ListOf(member):
            return [answer(member, one, WITHOUT_ERRORS) for one in ordered(value)]
        case Record(meta=StoreMeta() as meta) if isinstance(value, meta.item):
            return item_answer(value)
        case Record(fields=fields):
            members = ((field, member_of(value, field.attribute)) for field in fields)
            return {field.name: answer(field.ref, one, WITHOUT_ERRORS) for field, one in members}


def member_of(value: Any, name: str) -> Any:
    """Return the member of a mapping or an object, None if it is missing."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def item_answer(item: Any) -> dict[str, Any]:
    """Return an item as the JSON of its GraphQL type."""
    meta = meta_of(item)
    values: dict[str, Any] = ordered_builtins(item) if _has_sets(meta) else msgspec.to_builtins(item)
    for name in _unreadable(meta):
        values.pop(name, None)
    for name, get, spell in _respelled(meta):
        value = get(item)
        if value is not None and value is not UNSET:
            values[name] = spell(value)
    return values


@per_meta
def _has_sets(meta: StoreMeta[Any]) -> bool:
    nested = [one.type for one in meta.attributes.values() if one.kind is Kind.JSON]
    return any(isinstance(part, Set) for type_ in nested for part in description_of(type_).parts())


@per_meta
def _unreadable(meta: StoreMeta[Any]) -> tuple[str, ...]:
    """Return the attributes that no caller may read."""
    return tuple(name for name, attribute in meta.attributes.items() if attribute.readable is False)


@per_meta
def _respelled(meta: StoreMeta[Any]) -> tuple[tuple[str, Callable[[Any], Any], Callable[[Any], Any]], ...]:
    """Return the attributes whose JSON in GraphQL differs from REST, with the functions that read and convert them."""
    readable = [(name, one.get) for name, one in meta.attributes.items() if one.readable is not False]
    spelled = ((name, get, _spelling(attribute_ref(meta, name))) for name, get in readable)
    return tuple((name, get, spell) for name, get, spell in spelled if spell is not None)


def _spelling(ref: Ref) -> Callable[[Any], Any] | None:
    """Return the function that converts a value of the type, None if its JSON is the same as in REST."""
    inner = within_lists(ref)
    if isinstance(inner, Leaf) and inner.form not in WITHOUT_ERRORS:
        return None
    return lambda value: answer(ref, value, WITHOUT_ERRORS)


def _whole(value: Any) -> Any:
    """Return the integer of a Float. A value that may have been rounded remains a float, which operations reject for an integer."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    return float(value) if type(value) is int and abs(value) > EXACT else value


def _long(value: Any) -> Any:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _structure(value: Any) -> Any:
    """Return the structure. AWSJSON has already been parsed, so a text is JSON that was encoded twice."""
    if not isinstance(value, str):
        return _numbers(value)
    try:
        return nesting.decode(value)
    except msgspec.DecodeError:
        return value


def _numbers(value: Any) -> Any:
    """Return the structure with integers for numbers without a fraction. AppSync passes 1.0 as a float."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    return {name: _numbers(one) for name, one in value.items()} if isinstance(value, Mapping) else value


GIVEN: dict[Form, Callable[[Any], Any]] = {
    Form.WHOLE: _whole,
    Form.UNBOUNDED: _whole,
    Form.DIGITS: _long,
    Form.STRUCTURE: _structure,
    Form.ANY: _numbers,
}
"""Form → function that converts an argument to plain JSON. Other forms need no conversion."""


def given(ref: Ref, value: Any) -> Any:
    """Return an argument as plain JSON."""
    if value is None:
        return None
    match ref.type:
        case Leaf(form=form):
            return GIVEN[form](value) if form in GIVEN else value
        case ListOf(item):  # in GraphQL a single value may be given for a list
            return [given(item, one) for one in (value if isinstance(value, list) else [value])]
        case Record(fields=fields):
            return given_fields(fields, value)


def given_fields(fields: tuple[Field, ...], value: Any, *, keep_null: bool = False) -> Any:
    """Return the members as plain JSON. A null for a member that has a default and does not accept None means the default, unless `keep_null`."""
    if not isinstance(value, Mapping):
        return value
    known = {field.name: field for field in fields}
    plain: dict[str, Any] = {}
    for name, one in value.items():
        field = known.get(name)
        if field is None:
            plain[name] = one  # unknown: the operation reports it
        elif one is not None or keep_null or field.ref.nullable or (field.required and not field.omittable):
            plain[name] = given(field.ref, one)
    return plain
