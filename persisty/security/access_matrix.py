"""The access matrix: what every role may do with every store, as plain data, computed from the rules alone.

A role is what a caller is known by before anything is known of an item: nobody in particular, somebody, or somebody with a scope that
a rule mentions. What is left of a rule for a role is `all`, `none`, or what an item or a token must be like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from ..model.meta import StoreMeta
from .caller import ANONYMOUS, Caller
from .policy import FLAGS
from .rules import (
    AllOf,
    AnyOf,
    Authenticated,
    Claim,
    Constant,
    Member,
    NotOf,
    Owned,
    Rule,
    Scope,
    Through,
    joined,
    nobody,
)

VERBS = ("read", "search", "count", "read_batch", "create", "update", "delete", "edit_batch")
"""The verbs in the order in which they are told."""
ALL, NONE = "all", "none"


class Row(Struct, frozen=True):
    """What each role may do with the items of a store, or with one of their attributes: a verb, or one of `FLAGS`."""

    store: str
    verb: str
    cells: dict[str, str]
    attribute: str | None = None


def roles_of(metas: Iterable[StoreMeta[Any]]) -> dict[str, Caller]:
    """Role → a caller who is no more than that."""
    scopes = sorted({scope for meta in metas for rule in _rules(meta) for scope in _scopes(rule)})
    return {
        "anonymous": ANONYMOUS,
        "authenticated": Caller("somebody"),
        **{f"scope {scope}": Caller("somebody", frozenset((scope,))) for scope in scopes},
    }


def access_matrix(metas: Iterable[StoreMeta[Any]]) -> list[Row]:
    """A row for each store and verb, and behind these one for each attribute that has a rule of its own."""
    known = list(metas)
    roles = roles_of(known)
    rows: list[Row] = []
    for meta in known:
        for verb in VERBS:
            rule = nobody if meta.access is None else meta.access.of(verb)
            rows.append(Row(meta.name, verb, _cells(rule, roles)))
        for attribute in meta.attributes.values():
            for flag in FLAGS:
                rule = getattr(attribute, flag)
                if isinstance(rule, Rule) or (rule is False and flag == "readable"):
                    told = rule if isinstance(rule, Rule) else nobody
                    rows.append(Row(meta.name, flag, _cells(told, roles), attribute.name))
    return rows


def _cells(rule: Rule, roles: dict[str, Caller]) -> dict[str, str]:
    return {role: _told(left_of(rule, caller)) for role, caller in roles.items()}


def _told(rule: Rule) -> str:
    return str(rule) if rule.constant is None else ALL if rule.constant else NONE


def left_of(rule: Rule, caller: Caller) -> Rule:
    """The rule for a caller of whom no more is known than its scopes, and whether there is one."""
    match rule:
        case Authenticated():
            return Constant(caller.authenticated)
        case Scope(name):
            return Constant(name in caller.scopes)
        case Owned() | Member() | Claim() if not caller.authenticated:
            return Constant(False)
        case AllOf(rules) | AnyOf(rules):
            return joined(type(rule), tuple(left_of(one, caller) for one in rules))
        case NotOf(inner):
            return ~left_of(inner, caller)
        case Through(link, inner):
            left = left_of(inner, caller)
            return left if left.constant is False else Through(link, left)
    return rule


def _rules(meta: StoreMeta[Any]) -> Iterator[Rule]:
    if meta.access is not None:
        yield from map(meta.access.of, VERBS)
    for attribute in meta.attributes.values():
        yield from (rule for flag in FLAGS if isinstance(rule := getattr(attribute, flag), Rule))


def _scopes(rule: Rule) -> Iterator[str]:
    match rule:
        case Scope(name):
            yield name
        case Through(_, inner):
            yield from _scopes(inner)
    for part in rule.parts:
        yield from _scopes(part)
