"""Find access rules that no caller can meet, such as `where(paid=True) & where(paid=False)`, or `authenticated & ~authenticated`.

`nobody` is not reported, because it is explicit. A rule is evaluated for every combination of the scopes in it. Of the comparisons of attributes, only
equality is considered. A rule that cannot be decided in this way counts as one that a caller can meet.
"""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

from ..model.meta import StoreMeta
from ..model.rules import AllOf, AnyOf, Rule, Through, Where
from ..query.filter_algebra import required_values
from ..query.resolution import resolve_filter
from .access_matrix import scopes_of, simplified
from .caller import ANONYMOUS, Caller

MAX_SCOPES = 8
"""The most scopes in a rule for which every combination is tried."""
ANYONE = "anyone"
"""The subject of the callers that are tried."""


def is_unmet(rule: Rule, meta: StoreMeta[Any]) -> bool:
    """Return whether no caller can meet the rule with any item, although it is not `nobody`."""
    if rule.constant is not None:
        return False
    scopes = sorted(set(scopes_of(rule)))
    if len(scopes) > MAX_SCOPES:
        return False
    granted = chain.from_iterable(combinations(scopes, count) for count in range(len(scopes) + 1))
    callers = [ANONYMOUS, *(Caller(ANYONE, frozenset(some)) for some in granted)]
    return all(_excludes(simplified(rule, caller), meta) for caller in callers)


def _excludes(rule: Rule, meta: StoreMeta[Any]) -> bool:
    """Return whether a rule that is simplified for a caller allows no item."""
    match rule:
        case AllOf(rules):
            filters = [resolve_filter(meta, one.filter) for one in rules if isinstance(one, Where)]
            return any(_excludes(one, meta) for one in rules) or required_values(filters) is None
        case AnyOf(rules):
            return all(_excludes(one, meta) for one in rules)
        case Through(link, inner):
            return _excludes(inner, meta.links[link].ends.target)
        case Where(asked):
            return required_values([resolve_filter(meta, asked)]) is None
    return rule.constant is False
