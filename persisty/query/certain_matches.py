"""Filters of access rules over stored values that do not have the declared type: such a value meets no comparison of a rule, and no negation of one.

A filter of a query compares what is stored: `color != blue` finds an item with the removed member purple, and `place.size != 3` one whose size is a text,
which is null in filters. A rule must not, because it was written for the declared values. `certain` makes the filter of a
rule one that is true only where the declared values decide it, so that engines and local evaluation agree without a condition of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from ..model.declared_nulls import DECLARED_NULL, may_be_null
from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Not, Or
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.stored_members import members_of
from ..model.types import Kind, identity
from .evaluation import Predicate, comparison
from .filter_algebra import among, combine, opposite

MEANT = ("eq", "oneof")
"""Operators that only declared values meet: those with which a value is compared are."""
OF_NULL = ("ne", "null")
"""Operators that null may meet."""


def certain(meta: StoreMeta[Any], where: Filter) -> Filter:
    """Return the resolved filter for the items on which `where` is true whatever the values of other types in them mean. Returns `where` itself if such
    values cannot meet it."""
    match where:
        case Compare(name):
            return _decided(meta, name, where, where)
        case Not(Compare(name) as inner):
            return _decided(meta, name, inner, where)
        case Exists(attribute, target, other, inner):
            behind = combine(And, [certain(target, inner), _declared(target, other)])
            link = where if behind == inner else Exists(attribute, target, other, behind)
            return combine(And, [link, _declared(meta, attribute)])
        case Not(Exists(attribute, target, other, inner)):
            behind = opposite(target, certain(target, opposite(target, inner)))
            unlinked = where if behind == inner else Not(Exists(attribute, target, other, behind))
            return combine(And, [unlinked, _declared(meta, attribute, null=True)])
        case And(filters) | Or(filters) if filters:
            parts = [certain(meta, one) for one in filters]
            same = all(one is part for one, part in zip(filters, parts, strict=True))
            return where if same else combine(type(where), parts)
    return where


def _decided(meta: StoreMeta[Any], name: str, inner: Compare, where: Filter) -> Filter:
    """Return a comparison, or its negation `where`, as one that only declared values meet."""
    if where is inner and inner.operator in MEANT:
        return where
    attribute, members = meta.attribute(name), choices(meta).get(name)
    if members is None and not attribute.path:
        return where
    if attribute.kind is Kind.JSON:  # compared with null only
        return Compare(name, DECLARED_NULL, True) if inner.value else where
    meets = _test(attribute, inner, negated=where is not inner)
    if members is not None:
        found = among(name, [one for one in members if meets(one)])
    elif where is inner and inner.operator not in OF_NULL:
        return where  # a nested value of another type is null, which meets no such comparison
    else:
        found = NOTHING if inner.operator == "null" and inner.value else _present(name, where)
    if may_be_null(attribute) and meets(None):
        found = combine(Or, [found, Compare(name, DECLARED_NULL if attribute.path else "null", True)])
    return where if found == where else found


def _present(name: str, where: Filter) -> Filter:
    present = Compare(name, "null", False)
    return where if where == present else combine(And, [where, present])


def _test(attribute: Attribute, inner: Compare, *, negated: bool) -> Predicate:
    """Return a function of a value of the attribute."""
    test = comparison(structs.replace(attribute, get=identity), inner.operator, inner.value)
    return (lambda value: not test(value)) if negated else test


def _declared(meta: StoreMeta[Any], name: str, *, null: bool = False) -> Filter:
    """Return the condition that an end of a link has a declared value. `null`: it may also have none."""
    members = choices(meta).get(name)
    if members is None:
        return ALL
    found = among(name, members)
    return combine(Or, [found, Compare(name, "null", True)]) if null and meta.attribute(name).optional else found


@per_meta
def decided(meta: StoreMeta[Any]) -> frozenset[str]:
    """Return the attributes of which an undeclared value meets no filter that `certain` returned."""
    objects = [name for name, one in meta.attributes.items() if one.kind is Kind.JSON]
    return frozenset([*objects, *choices(meta)])


@per_meta
def choices(meta: StoreMeta[Any]) -> Mapping[str, tuple[Any, ...]]:
    """Return the attributes that are an enum or a `Literal` → their values."""
    found = {name: members_of(one) for name, one in {**meta.attributes, **meta.nested}.items()}
    return {name: tuple(members.values()) for name, members in found.items() if members is not None}
