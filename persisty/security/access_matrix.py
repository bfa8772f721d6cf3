"""The access matrix: the rights of each role on each store and action, as plain data computed from the rules.

A role is the part of a caller that is known without an item: anonymous, authenticated, or authenticated with a scope that a rule mentions. A cell
is `all`, `none`, or the condition on the item or token that remains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..model.declaration_checks import FLAGS
from ..model.meta import StoreMeta
from ..model.rules import (
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
from ..model.verbs import READS, VERBS, WRITES
from .caller import ANONYMOUS, Caller

ROWS = (*(one for one in VERBS if one in READS), *(one for one in VERBS if one in WRITES))
"""The verbs, in the order of the rows: those that read first."""
ALL, NONE = "all", "none"


class Row(Struct, frozen=True):
    """Role → cell, for one verb of a store, or for one of `FLAGS` of an `attribute`."""

    store: str
    verb: str
    cells: dict[str, str]
    attribute: str | None = None


class ActionRow(Struct, frozen=True):
    """Role → cell, for one custom action."""

    action: str
    cells: dict[str, str]


def roles_of(metas: Iterable[StoreMeta[Any]], rules: Iterable[Rule] = ()) -> dict[str, Caller]:
    """Return role → a caller with that role and no other claims. `rules`: those of actions, whose scopes are roles too."""
    every = [*rules, *(rule for meta in metas for rule in _rules(meta))]
    scopes = sorted({scope for rule in every for scope in scopes_of(rule)})
    return {
        "anonymous": ANONYMOUS,
        "authenticated": Caller("somebody"),
        **{f"scope {scope}": Caller("somebody", frozenset((scope,))) for scope in scopes},
    }


def action_rows(actions: Mapping[str, Rule], roles: Mapping[str, Caller]) -> list[ActionRow]:
    """Return a row for each action, in the order of `actions`: name → rule."""
    return [ActionRow(name, _cells(rule, roles)) for name, rule in actions.items()]


def access_matrix(metas: Iterable[StoreMeta[Any]], roles: Mapping[str, Caller] | None = None) -> list[Row]:
    """Return a row for each store and verb, followed by a row for each attribute that has its own rule. `roles`: those of `roles_of` by default."""
    known = list(metas)
    roles = roles_of(known) if roles is None else roles
    rows: list[Row] = []
    for meta in known:
        rows += [Row(meta.name, verb, _cells(meta.rule(verb), roles)) for verb in ROWS]
        for attribute in meta.attributes.values():
            for flag in FLAGS:
                rule = getattr(attribute, flag)
                if isinstance(rule, Rule) or (rule is False and flag == "readable"):
                    known_rule = rule if isinstance(rule, Rule) else nobody
                    rows.append(Row(meta.name, flag, _cells(known_rule, roles), attribute.name))
    return rows


def _cells(rule: Rule, roles: Mapping[str, Caller]) -> dict[str, str]:
    return {role: _cell(simplified(rule, caller)) for role, caller in roles.items()}


def _cell(rule: Rule) -> str:
    return str(rule) if rule.constant is None else ALL if rule.constant else NONE


def simplified(rule: Rule, caller: Caller) -> Rule:
    """Return the rule that remains once the caller's scopes are known, and whether it is authenticated."""
    match rule:
        case Authenticated():
            return Constant(caller.authenticated)
        case Scope(name):
            return Constant(name in caller.scopes)
        case Owned() | Member() | Claim() if not caller.authenticated:
            return Constant(False)
        case AllOf(rules) | AnyOf(rules):
            return joined(type(rule), tuple(simplified(one, caller) for one in rules))
        case NotOf(inner):
            return ~simplified(inner, caller)
        case Through(link, inner):
            remaining = simplified(inner, caller)
            return remaining if remaining.constant is False else Through(link, remaining)
    return rule


def _rules(meta: StoreMeta[Any]) -> Iterator[Rule]:
    yield from map(meta.rule, VERBS)
    for attribute in meta.attributes.values():
        yield from (rule for flag in FLAGS if isinstance(rule := getattr(attribute, flag), Rule))


def scopes_of(rule: Rule) -> Iterator[str]:
    """Yield the scopes that a rule mentions, those of rules behind links too."""
    match rule:
        case Scope(name):
            yield name
        case Through(_, inner):
            yield from scopes_of(inner)
    for part in rule.parts:
        yield from scopes_of(part)
