"""Rules that no caller can meet are reported, and no other rules."""

from __future__ import annotations

import pytest

from persisty import (
    App,
    Attr,
    BelongsTo,
    authenticated,
    claim,
    custom,
    everyone,
    link,
    linked,
    nobody,
    owned,
    scope,
    stored,
    where,
)
from persisty.model.meta import meta_of
from persisty.model.rules import Rule
from persisty.security.unmet_rules import is_unmet


@stored
class Order:
    id: Attr[str]
    paid: Attr[bool]
    total: Attr[int]
    owner: Attr[str]


@stored
class Line:
    id: Attr[str]
    bill: BelongsTo[Order] = link()
    bill_id: Attr[str]


APP = App("unmet", items=[Order, Line], url="memory://")

UNMET = [
    authenticated & ~authenticated,
    ~authenticated & owned("owner"),
    scope("a") & ~scope("a"),
    where(paid=True) & where(paid=False),
    where(paid=True) & scope("a") & where(total=1, paid=False),
    (where(paid=True) & where(paid=False)) | (authenticated & ~authenticated),
    where(total=1) & where(total=2, paid=True),
]
MET = [
    nobody,
    everyone,
    authenticated,
    scope("a") & ~scope("b"),
    scope("a") & scope("b") & ~scope("c"),
    where(paid=True) & where(total=1),
    where(paid=True) | where(paid=False),
    owned("owner") & claim("tenant", "x"),
    custom(lambda caller: False) & authenticated,
]


@pytest.mark.parametrize("rule", UNMET, ids=str)
def test_a_contradictory_rule_is_reported(rule: Rule) -> None:
    assert is_unmet(rule, meta_of(Order))


@pytest.mark.parametrize("rule", MET, ids=str)
def test_a_rule_that_some_caller_meets_is_not_reported(rule: Rule) -> None:
    assert not is_unmet(rule, meta_of(Order))


def test_a_rule_behind_a_link_is_checked() -> None:
    meta = APP.metas["line"]
    assert is_unmet(linked("bill", where(paid=True) & where(paid=False)), meta)
    assert not is_unmet(linked("bill", where(paid=True)), meta)
