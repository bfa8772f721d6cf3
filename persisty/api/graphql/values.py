"""Convert values between GraphQL and the operations, as the types of `types.py` define.

`answer` converts the result of an operation to the JSON of its GraphQL type. `given` converts an argument to the plain JSON that operations
take. It does not validate: a value that does not fit is returned unchanged, and the operation reports the fault.

AWSJSON is text on the wire only. The hosted schema's scalar, or AppSync, parses an input and writes an output, so that this module sees the
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
    """A value as JSON has it, in builtins: keys are text, and numbers that JSON lacks are null."""
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
            f"{value} is beyond the integers that GraphQL's Float has exactly, ±{EXACT}. Declare both bounds of the integer "
            "and it is text: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]"
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
"""Form → the GraphQL spelling of an attribute's value; the forms that are absent are spelled as REST has them."""
WITHOUT_ERRORS: dict[Form, Callable[[Any], Any]] = {
    **ANSWERS,
    Form.WHOLE: _exact_or_null,
    Form.UNBOUNDED: _exact_or_null,
}
"""The same for an answer that cannot have an error of a single field."""


def answer(
    ref: Ref,
    value: Any,
    spell: Mapping[Form, Callable[[Any], Any]] = ANSWERS,
) -> Any:
    """Return a result as its GraphQL type spells it.

    A part of the result that GraphQL cannot carry is null. `Unsupported` if that is all of it.
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
    """Return the member of a mapping or an object, None if it has none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def item_answer(item: Any) -> dict[str, Any]:
    """Return an item as its GraphQL type spells it."""
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
    """The attributes whose GraphQL spelling is not the JSON that REST has."""
    readable = [(name, one.get) for name, one in meta.attributes.items() if one.readable is not False]
    spelled = ((name, get, _spelling(attribute_ref(meta, name))) for name, get in readable)
    return tuple((name, get, spell) for name, get, spell in spelled if spell is not None)


def _spelling(ref: Ref) -> Callable[[Any], Any] | None:
    """Return the function that spells a value of the type, None where the JSON that REST has is the spelling."""
    inner = within_lists(ref)
    if isinstance(inner, Leaf) and inner.form not in WITHOUT_ERRORS:
        return None
    return lambda value: answer(ref, value, WITHOUT_ERRORS)


def _whole(value: Any) -> Any:
    """Return the integer of a Float. One that the Float may have rounded stays a float, which no integer accepts."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    return float(value) if type(value) is int and abs(value) > EXACT else value


def _long(value: Any) -> Any:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _structure(value: Any) -> Any:
    """Return the structure. AWSJSON is parsed already, so text is JSON that was encoded twice."""
    if not isinstance(value, str):
        return _numbers(value)
    try:
        return nesting.decode(value)
    except msgspec.DecodeError:
        return value


def _numbers(value: Any) -> Any:
    """Return the structure with integers for numbers without a fraction, as JSON is read everywhere. AppSync passes 1.0 as a float."""
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
"""Form → the plain JSON of what GraphQL gives; the forms that are absent are plain JSON already."""


def given(ref: Ref, value: Any) -> Any:
    """A parameter of an action as plain JSON."""
    if value is None:
        return None
    match ref.type:
        case Leaf(form=form):
            return GIVEN[form](value) if form in GIVEN else value
        case ListOf(item):  # GraphQL takes one for a list of one
            return [given(item, one) for one in (value if isinstance(value, list) else [value])]
        case Record(fields=fields):
            return given_fields(fields, value)


def given_fields(fields: tuple[Field, ...], value: Any, *, keep_null: bool = False) -> Any:
    """The members as plain JSON. A null where Python has a default but no None means the default, unless `keep_null`."""
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
