"""Check a filter or an order against an item and bring it into the one shape that backends compile.

After `resolve_filter` every attribute exists, every value has the attribute's type and is not None, `And`/`Or` are flat
and hold more than one filter (but for the constants `ALL` and `NOTHING`), and `Not` wraps only operators that have no
opposite; it is true for null. Backends rely on that and check nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ..errors import Fault, InvalidQuery
from ..model.expressions import ALL, NOTHING, And, AttributeExpression, Compare, Filter, Not, Or, OrderBy, Text, name_of
from ..model.meta import Attribute, StoreMeta
from ..model.types import OPERATORS, Kind, unicode
from ..model.validation import fault_of, operand, pointer

MAX_COMPARISONS, MAX_VALUES, MAX_LEVELS = 200, 1_000, 50
"""What a filter may hold, and how deep it may be nested. There are other limits behind these: SQLite's expressions are 1,000
deep, and so is Python's stack, of which a level takes several frames until it is SQL."""

Order = OrderBy | AttributeExpression | str | Iterable[OrderBy | AttributeExpression | str] | None


def resolve_filter(meta: StoreMeta[Any], where: Filter | None, path: str = "/where") -> Filter:
    """The filter in normal form; `InvalidQuery` with every fault. None means every item."""
    if where is None or where == ALL:
        return ALL
    if _deeper(where, MAX_LEVELS):
        raise InvalidQuery(faults=[Fault(path, f"Nested more than {MAX_LEVELS} levels deep", f"at most {MAX_LEVELS}")])
    faults: list[Fault] = []
    resolved = _resolve(meta, where, path, False, faults)
    if not faults:
        faults = _too_large(resolved, path)
    if faults:
        raise InvalidQuery(faults=faults)
    return resolved


def _deeper(where: Filter, levels: int) -> bool:
    """Does a filter have more levels of and, or and not?"""
    match where:
        case And(filters) | Or(filters):
            return levels == 0 or any(_deeper(one, levels - 1) for one in filters)
        case Not(inner):
            return levels == 0 or _deeper(inner, levels - 1)
    return False


def _too_large(where: Filter, path: str) -> list[Fault]:
    if isinstance(where, Compare) and where.operator != "oneof":
        return []
    found = [*_comparisons(where)]
    values = sum(len(one.value) for one in found if one.operator == "oneof")
    sizes = (("comparisons", len(found), MAX_COMPARISONS), ("values in oneof", values, MAX_VALUES))
    return [Fault(path, f"Too many {what}", f"at most {most}", str(size)) for what, size, most in sizes if size > most]


def _comparisons(where: Filter) -> Iterator[Compare]:
    match where:
        case Compare():
            yield where
        case Not(inner):
            yield from _comparisons(inner)
        case And(filters) | Or(filters):
            for one in filters:
                yield from _comparisons(one)


def compare(
    attribute: Attribute | None,
    name: str,
    operator: str,
    value: Any,
    path: str,
    faults: list[Fault],
    *,
    strict: bool = True,
) -> Filter:
    """One comparison in normal form. `strict=False` also reads values spelled as text, as URLs do."""
    if attribute is None:
        faults.append(Fault(path, "Unknown attribute", found=name))
        return NOTHING
    kinds = OPERATORS.get(operator)
    if kinds is None:
        faults.append(Fault(path, "Unknown operator", "one of " + ", ".join(OPERATORS), operator))
        return NOTHING
    if attribute.kind not in kinds:
        known = [other for other, applies in OPERATORS.items() if attribute.kind in applies]
        faults.append(Fault(path, f"Not for {attribute.kind} attributes", "one of " + ", ".join(known), operator))
        return NOTHING
    try:
        return SHAPES.get(operator, _plain)(attribute, operator, value, strict)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        faults.append(fault_of(error, path))
        return NOTHING


def _plain(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, _value(attribute, value, strict))


def _value(attribute: Attribute, value: Any, strict: bool) -> Any:
    if value is None:
        raise ValueError(f"Expected {attribute.kind}, got null")
    return operand(attribute, value, strict=strict)


def _equality(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    if value is None:
        return Compare(attribute.name, "null", operator == "eq")
    return _plain(attribute, operator, value, strict)


def _oneof(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"Expected an array of {attribute.kind}")
    given = list(value)
    values = tuple(dict.fromkeys(_value(attribute, one, strict) for one in given if one is not None))
    terms: list[Filter] = (
        [Compare(attribute.name, "null", True)] if len(given) > sum(v is not None for v in given) else []
    )
    if len(values) == 1:
        terms.append(Compare(attribute.name, "eq", values[0]))
    elif values:
        terms.append(Compare(attribute.name, operator, values))
    return combine(Or, terms)


def _text(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, _value(attribute, value, True))


def _null(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, msgspec.convert(value, bool, strict=strict))


SHAPES: dict[str, Callable[[Attribute, str, Any, bool], Filter]] = {
    "eq": _equality,
    "ne": _equality,
    "oneof": _oneof,
    "contains": _text,
    "startswith": _text,
    "endswith": _text,
    "icontains": _text,
    "null": _null,
}
"""Operator → how its value is read; the others take one value of the attribute's type."""

OPPOSITES = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}


def _resolve(meta: StoreMeta[Any], where: Filter, path: str, negate: bool, faults: list[Fault]) -> Filter:
    match where:
        case Compare(name, operator, value):
            attribute = meta.find(name)
            found = compare(attribute, name, operator, value, path + pointer(name, operator), faults)
            return _opposite(found, attribute) if negate and attribute else found
        case Text(words):
            found = mentions(meta, words, path + "/query", faults)
            return _resolve(meta, found, path, negate, faults)
        case And(filters):
            parts = [_resolve(meta, one, path + pointer("and", i), negate, faults) for i, one in enumerate(filters)]
            return combine(Or if negate else And, parts)
        case Or(filters):
            parts = [_resolve(meta, one, path + pointer("or", i), negate, faults) for i, one in enumerate(filters)]
            return combine(And if negate else Or, parts)
        case Not(inner):
            return _resolve(meta, inner, path + pointer("not"), not negate, faults)
    faults.append(Fault(path, "Not a filter", "a filter", type(where).__name__))
    return NOTHING


def mentions(meta: StoreMeta[Any], text: Any, path: str, faults: list[Fault]) -> Filter:
    """Each word of the text occurs in one of the item's texts, whatever the case; no words, no condition."""
    names = [one.name for one in meta.attributes.values() if one.kind is Kind.STRING]
    try:
        if not names:
            raise ValueError(f"No attribute of {meta.name} is text")
        words = unicode(msgspec.convert(text, str)).split()
    except (msgspec.ValidationError, ValueError) as error:
        faults.append(fault_of(error, path))
        return NOTHING
    return combine(And, [combine(Or, [Compare(name, "icontains", word) for name in names]) for word in words])


def _opposite(where: Filter, attribute: Attribute) -> Filter:
    """True exactly where `where` is false, null included."""
    match where:
        case Compare(name, "null", value):
            return Compare(name, "null", not value)
        case Compare(name, ("eq" | "ne") as operator, value):
            return Compare(name, OPPOSITES[operator], value)
        case Compare(name, operator, value) if operator in OPPOSITES:
            opposite = Compare(name, OPPOSITES[operator], value)
            return Or((opposite, Compare(name, "null", True))) if attribute.optional else opposite
        case Compare():
            return Not(where)
        case And(filters):
            return combine(Or, [_opposite(one, attribute) for one in filters])
        case Or(filters):
            return combine(And, [_opposite(one, attribute) for one in filters])
        case Not(inner):
            return inner
    raise InvalidQuery(f"Not a filter: {where!r}")


def combine(connective: type[And | Or], filters: Iterable[Filter]) -> Filter:
    """The filters joined, flattened, with constants and repetitions folded away."""
    neutral, absorbing = (ALL, NOTHING) if connective is And else (NOTHING, ALL)
    flat: dict[Filter | int, Filter] = {}
    for one in filters:
        if one == absorbing:
            return absorbing
        if one != neutral:
            for part in one.filters if isinstance(one, connective) else (one,):
                flat[_identity(part)] = part
    parts = tuple(flat.values())
    return parts[0] if len(parts) == 1 else connective(parts) if parts else neutral


def _identity(where: Filter) -> Filter | int:
    try:
        hash(where)
    except TypeError:
        return id(where)
    return where


def resolve_order(meta: StoreMeta[Any], order: Order, path: str = "/order") -> tuple[OrderBy, ...]:
    """The order made total by the key; () where none is asked. `InvalidQuery` with every fault.

    A term is `Message.created_at.desc()`, `Message.created_at`, or text: `"created_at"`, `"-created_at"`.
    """
    if order is None:
        return ()
    if isinstance(order, (str, OrderBy, AttributeExpression)):  # a tuple: a union of types is made at every call
        terms: list[Any] = [order]
    elif isinstance(order, Iterable):
        terms = list(order)
    else:
        raise InvalidQuery(faults=[Fault(path, "Not an order", "attributes", type(order).__name__)])
    faults: list[Fault] = []
    total: dict[str, OrderBy] = {}
    for position, term in enumerate(terms):
        one = _order_by(term)
        attribute = meta.attributes.get(one.attribute) if one else None
        where = path + pointer(position)
        if one is None or attribute is None:
            faults.append(Fault(where, "Unknown attribute", "one of " + ", ".join(meta.attributes), str(term)))
        elif not attribute.sortable:
            faults.append(Fault(where, f"Not sortable: {attribute.kind}", found=one.attribute))
        else:
            total.setdefault(one.attribute, one)
    if faults:
        raise InvalidQuery(faults=faults)
    if total:
        for name in meta.key.attributes:
            total.setdefault(name, OrderBy(name))
    return tuple(total.values())


def resolve_attributes(
    meta: StoreMeta[Any], given: Iterable[AttributeExpression | str] | AttributeExpression | str, path: str
) -> tuple[str, ...]:
    """The names of attributes, each once; `InvalidQuery` with every fault. At least one."""
    if not isinstance(given, Iterable | AttributeExpression):
        raise InvalidQuery(faults=[Fault(path, "Not attributes", "attributes", type(given).__name__)])
    listed = [given] if isinstance(given, str | AttributeExpression) else list(given)
    names = [name_of(one) if isinstance(one, AttributeExpression) else one for one in listed]
    faults = [
        Fault(path + pointer(position), "Unknown attribute", "one of " + ", ".join(meta.attributes), str(name)[:64])
        for position, name in enumerate(names)
        if not isinstance(name, str) or name not in meta.attributes
    ]
    if faults or not names:
        raise InvalidQuery(faults=faults or [Fault(path, "No attributes", "at least one")])
    return tuple(dict.fromkeys(names))


def _order_by(term: OrderBy | AttributeExpression | str) -> OrderBy | None:
    match term:
        case OrderBy():
            return term
        case AttributeExpression():
            return OrderBy(name_of(term))
        case str():
            return OrderBy(term.removeprefix("-"), term.startswith("-"))
    return None
