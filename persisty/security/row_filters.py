"""Evaluate access rules for one caller: the table from a rule to the function that makes its row filter.

Parts of a rule that depend on the caller alone are evaluated here: for an administrator, `owned("author_id") | scope("admin")` is every item, for
any other caller a comparison of one attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import InvalidDeclaration
from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Not, Or
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.rules import (
    AllOf,
    AnyOf,
    Authenticated,
    Claim,
    Constant,
    CustomFunction,
    Member,
    NotOf,
    Owned,
    Rule,
    Scope,
    Through,
    Where,
)
from ..model.value_validation import operand
from ..query.certain_matches import certain
from ..query.filter_algebra import combine, exists, opposite
from ..query.resolution import resolve_filter
from .caller import Caller


def row_filter(rule: Rule, meta: StoreMeta[Any], caller: Caller) -> Filter:
    """Return the items that the rule allows for this caller, as a resolved filter: `ALL`, `NOTHING`, or a condition. A stored value that does not have the
    declared type meets no condition."""
    return decidable(meta, possible_filter(rule, meta, caller))


def decidable(meta: StoreMeta[Any], possible: Filter) -> Filter:
    """Return a `possible_filter` as a `row_filter`."""
    return certain(meta, without_impossible(meta, possible))


def possible_filter(rule: Rule, meta: StoreMeta[Any], caller: Caller) -> Filter:
    """Return `row_filter`, but with comparisons that no item can match, as an `oneof` of no values.

    If this filter is `NOTHING`, the rule forbids the verb. Otherwise it allows the verb, possibly on no item.
    """
    return ROW_FILTERS[type(rule)](rule, meta, caller)


def without_impossible(meta: StoreMeta[Any], where: Filter) -> Filter:
    """Return the filter with `NOTHING` in the place of comparisons that no item can match."""
    match where:
        case Compare(_, "oneof", ()):
            return NOTHING
        case Exists(attribute, target, other, inner):
            behind = without_impossible(target, inner)
            return (
                where if behind is inner else NOTHING if behind == NOTHING else Exists(attribute, target, other, behind)
            )
        case Not(inner):
            left = without_impossible(meta, inner)
            return where if left is inner else opposite(meta, left)
        case And(filters) | Or(filters) if filters:
            parts = [without_impossible(meta, one) for one in filters]
            same = all(one is part for one, part in zip(filters, parts, strict=True))
            return where if same else combine(type(where), parts)
    return where


def admits(rule: Rule, caller: Caller) -> bool:
    """Return whether a rule allows the caller. Raises `InvalidDeclaration` for a rule that needs an item."""
    match rule:
        case AllOf(rules):
            return all(admits(one, caller) for one in rules)
        case AnyOf(rules):
            return any(admits(one, caller) for one in rules)
        case NotOf(inner):
            return not admits(inner, caller)
        case Constant(allowed):
            return allowed
        case Authenticated():
            return caller.authenticated
        case Scope(name):
            return name in caller.scopes
        case Claim(name, value):
            return any(_same(one, value) for one in claimed(caller, name))
        case CustomFunction(function) if isinstance(decision := function(caller), bool):
            return decision
    raise InvalidDeclaration(f"The rule {rule} needs an item to decide")


def _decided(allowed: bool) -> Filter:
    return ALL if allowed else NOTHING


def _constant(rule: Constant, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return _decided(rule.allowed)


def _authenticated(rule: Authenticated, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return _decided(caller.authenticated)


def _scope(rule: Scope, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return _decided(rule.name in caller.scopes)


def _claim(rule: Claim, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return _decided(admits(rule, caller))


def _owned(rule: Owned, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return equal_to(meta, rule.attribute, () if caller.subject is None else (caller.subject,))


def _member(rule: Member, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return equal_to(meta, rule.attribute, claimed(caller, rule.claim)) if caller.authenticated else NOTHING


def _where(rule: Where, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return _resolved(meta, rule)


def _through(rule: Through, meta: StoreMeta[Any], caller: Caller) -> Filter:
    found = meta.links.get(rule.link)
    if found is None:
        raise InvalidDeclaration(f"{meta.name} has no link {rule.link}, which its access rule follows")
    return exists(found.ends, possible_filter(rule.rule, found.ends.target, caller))


def _custom(rule: CustomFunction, meta: StoreMeta[Any], caller: Caller) -> Filter:
    decision = rule.function(caller)
    return _decided(decision) if isinstance(decision, bool) else resolve_filter(meta, decision, "/access")


def _all_of(rule: AllOf, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return combine(And, [possible_filter(one, meta, caller) for one in rule.rules])


def _any_of(rule: AnyOf, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return combine(Or, [possible_filter(one, meta, caller) for one in rule.rules])


def _not_of(rule: NotOf, meta: StoreMeta[Any], caller: Caller) -> Filter:
    return opposite(meta, possible_filter(rule.rule, meta, caller))


ROW_FILTERS: dict[type[Rule], Callable[[Any, StoreMeta[Any], Caller], Filter]] = {
    Constant: _constant,
    Authenticated: _authenticated,
    Scope: _scope,
    Claim: _claim,
    Owned: _owned,
    Member: _member,
    Where: _where,
    Through: _through,
    CustomFunction: _custom,
    AllOf: _all_of,
    AnyOf: _any_of,
    NotOf: _not_of,
}
"""Rule → its row filter for a caller. A `Custom` is absent: compiling a schema replaces it with its function."""


def claimed(caller: Caller, name: str) -> tuple[Any, ...]:
    """Return the values of the caller's claim: one, each of a list, or none."""
    value = caller.claims.get(name)
    return () if value is None else tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def equal_to(meta: StoreMeta[Any], name: str, values: tuple[Any, ...]) -> Filter:
    """Return the filter of the items whose attribute is one of these values of a token. If all values have another type, it is an `oneof` of no
    values."""
    attribute = meta.attributes.get(name)
    if attribute is None:
        raise InvalidDeclaration(f"{meta.name} has no attribute {name}, which its access rule names")
    typed = dict.fromkeys(one for value in values if (one := _typed(attribute, value)) is not None)
    if len(typed) > 1:
        return Compare(name, "oneof", tuple(typed))
    if typed:
        return Compare(name, "eq", next(iter(typed)))
    return Compare(name, "oneof", ()) if values else NOTHING


def _typed(attribute: Attribute, value: Any) -> Any:
    try:
        return operand(attribute, value)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)  # True is not 1


@per_meta
def _resolved(meta: StoreMeta[Any], rule: Where) -> Filter:
    return resolve_filter(meta, rule.filter, "/access")
