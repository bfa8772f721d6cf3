"""Access rules: their algebra, their filter for a caller, and the condition under which they match after a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import (
    ANONYMOUS,
    Access,
    Add,
    App,
    Append,
    Attr,
    BelongsTo,
    Caller,
    Filter,
    InvalidDeclaration,
    PersistyError,
    authenticated,
    claim,
    custom,
    everyone,
    link,
    linked,
    member,
    meta_of,
    nobody,
    owned,
    private,
    public,
    read_only,
    scope,
    stored,
    where,
)
from persisty.model.expressions import ALL, NOTHING, And, Compare, Exists, Not, Or
from persisty.model.rules import AllOf, AnyOf, Rule
from persisty.model.validation import changed
from persisty.query.evaluation import matcher
from persisty.query.postconditions import after
from persisty.query.resolution import resolve_filter
from persisty.security.row_filters import row_filter


@stored(key="name", access=public)
class Team:
    name: str
    chief: str


@stored(access=public)
class Paper:
    id: UUID
    owner: str | None = None
    author: UUID | None = None
    tenant: int = 0
    public: bool = False
    words: int | None = None
    tags: list[str] | None = None
    team_name: str | None = None
    team: BelongsTo[Team] = link(by="team_name")


App("papers", items=[Team, Paper], url="memory://")
META = meta_of(Paper)
ANN = Caller("ann", frozenset({"editor"}), {"tenants": [1, "2", 3], "role": "boss", "flag": True})
ADMIN = Caller("root", frozenset({"admin"}))
ID = UUID(int=7)

ROWS: list[tuple[Rule, Caller, Filter]] = [
    (everyone, ANONYMOUS, ALL),
    (nobody, ADMIN, NOTHING),
    (authenticated, ANONYMOUS, NOTHING),
    (authenticated, ANN, ALL),
    (scope("editor"), ANN, ALL),
    (scope("admin"), ANN, NOTHING),
    (claim("role", "boss"), ANN, ALL),
    (claim("role", "clerk"), ANN, NOTHING),
    (claim("tenants", 3), ANN, ALL),
    (claim("tenants", 2), ANN, NOTHING),
    (claim("flag", 1), ANN, NOTHING),
    (claim("none", None), ANN, NOTHING),
    (owned("owner"), ANN, Compare("owner", "eq", "ann")),
    (owned(Paper.owner), ANONYMOUS, NOTHING),
    (owned("author"), ANN, NOTHING),
    (owned("author"), Caller(str(ID)), Compare("author", "eq", ID)),
    (member("tenant", "tenants"), ANN, Compare("tenant", "oneof", (1, 3))),
    (member("owner", "role"), ANN, Compare("owner", "eq", "boss")),
    (member("tenant", "nothing"), ANN, NOTHING),
    (member("tenant", "tenants"), Caller(None, claims={"tenants": [1]}), NOTHING),
    (where(public=True, words__ge=3), ANONYMOUS, And((Compare("public", "eq", True), Compare("words", "ge", 3)))),
    (where(Paper.words == None), ANONYMOUS, Compare("words", "null", True)),  # noqa: E711
    (custom(lambda caller: caller.subject == "ann"), ANN, ALL),
    (custom(lambda caller: Paper.owner == f"{caller.subject}!"), ANN, Compare("owner", "eq", "ann!")),
    (owned("owner") | scope("editor"), ANN, ALL),
    (owned("owner") & scope("admin"), ANN, NOTHING),
    (owned("owner") | where(public=True), ANN, Or((Compare("owner", "eq", "ann"), Compare("public", "eq", True)))),
    (~owned("owner"), ANN, Compare("owner", "ne", "ann")),
    (~authenticated, ANONYMOUS, ALL),
    (~(owned("owner") | scope("admin")), ANN, Compare("owner", "ne", "ann")),
]


@pytest.mark.parametrize(("rule", "caller", "rows"), ROWS, ids=[f"{rule} for {caller!r}" for rule, caller, _ in ROWS])
def test_a_rule_becomes_a_row_filter(rule: Rule, caller: Caller, rows: Filter) -> None:
    assert row_filter(rule, META, caller) == rows


@pytest.mark.parametrize("rule", [owned("author"), member("author", "role"), owned("author") & authenticated])
def test_a_caller_whose_token_has_a_value_of_another_type_finds_no_items(rule: Rule) -> None:
    @stored(access=rule)
    class Slip:
        id: Attr[UUID]
        author: Attr[UUID]
        n: Attr[int] = Attr(default=0)

    store = App("slips", items=[Slip], url="memory://").store(Slip)
    store.create(Slip(id=ID, author=UUID(int=1)))

    def answers(caller: Caller) -> list[Any]:
        mine = store.on_behalf_of(caller)
        calls: list[Callable[[], Any]] = [
            lambda: mine.search().items,
            mine.count,
            lambda: mine.read(ID),
            lambda: mine.delete(ID),
            lambda: mine.count_by("n"),
            lambda: coded(lambda: mine.create(Slip(id=UUID(int=5), author=UUID(int=1)))),
            lambda: mine.update_all({"n": 2}).changed,
            lambda: mine.update(ID, {"n": 2}),
        ]
        return [call() for call in calls]

    found = answers(Caller("ann", claims={"role": "boss"}))
    assert found == [[], 0, None, False, {}, "forbidden", 0, None]
    assert found == answers(Caller(str(UUID(int=9)), claims={"role": str(UUID(int=9))}))


def coded(call: Any) -> Any:
    try:
        return call()
    except PersistyError as error:
        return error.code


def test_a_rule_follows_a_link() -> None:
    found = row_filter(linked("team", owned("chief")), META, ANN)
    assert found == Exists("team_name", meta_of(Team), "name", Compare("chief", "eq", "ann"))
    assert row_filter(linked(Paper.team, owned("chief")), META, ANONYMOUS) == NOTHING
    assert row_filter(~linked(Paper.team, owned("chief")), META, ANN) == Not(found)


def test_constants_and_repetitions_are_removed() -> None:
    assert (owned("a") | everyone).constant is True
    assert (owned("a") & nobody).constant is False
    assert (owned("a") & everyone) == owned("a")
    assert (nobody | owned("a") | owned("a")) == owned("a")
    assert (~everyone).constant is False
    assert isinstance(owned("a") & owned("b") & scope("c"), AllOf)
    assert len((owned("a") | (owned("b") | scope("c"))).parts) == 3
    assert isinstance(owned("a") | owned("b"), AnyOf)


def test_a_rule_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="truth value"):
        bool(owned("a"))
    with pytest.raises(InvalidDeclaration):
        where("public")  # type: ignore[arg-type]
    with pytest.raises(InvalidDeclaration):
        linked("team", "owned")  # type: ignore[arg-type]


def test_rules_of_verbs_default_to_those_of_other_verbs() -> None:
    access = Access(read=owned("a"), update=scope("b"))
    assert access.of("search") == access.of("count") == access.of("read_batch") == owned("a")
    assert access.of("edit_batch") == scope("b")
    assert not access.allows("create")
    assert access.owners == ("a",)
    assert Access(read=everyone, search=nobody).of("count").constant is False
    assert [one.allows("read") for one in (public, read_only, private, owned("a"))] == [True, True, False, True]


@pytest.mark.parametrize("rule", [owned("nope"), member("nope", "c"), where(nope=1), linked("nope", everyone)])
def test_a_rule_with_an_unknown_name_is_reported(rule: Rule) -> None:
    with pytest.raises((InvalidDeclaration, Exception)) as caught:
        row_filter(rule, META, ANN)
    assert "nope" in str(caught.value)


ITEMS = st.builds(
    Paper,
    id=st.just(ID),
    owner=st.sampled_from([None, "ann", "ben"]),
    tenant=st.integers(-3, 3),
    public=st.booleans(),
    words=st.sampled_from([None, 0, 1, 5]),
    tags=st.sampled_from([None, [], ["a"]]),
)
LEAVES = st.sampled_from(
    [
        Paper.owner == "ann", Paper.owner != "ann", Paper.owner.is_null(), Paper.owner.oneof(["ann", None]),
        Paper.owner.contains("e"), Paper.public == True, Paper.public != True, Paper.words > 1, Paper.words <= 1,  # noqa: E712
        Paper.words == 1, Paper.words != 5, Paper.words.oneof([1, 6]), Paper.words.is_null(), Paper.tenant >= 0,
        Paper.tenant < 1, Paper.tenant != 0, Paper.tags.is_null(), Paper.tags.is_null(False),
    ]
)  # fmt: skip
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda a, b: And((a, b)), inner, inner),
        st.builds(lambda a, b: Or((a, b)), inner, inner),
    ),
    max_leaves=6,
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from([None, "ann", "ben"]),
        "tenant": st.one_of(st.integers(-3, 3), st.builds(Add, st.integers(-3, 3))),
        "public": st.booleans(),
        "words": st.one_of(st.sampled_from([None, 0, 1]), st.builds(Add, st.integers(-3, 6))),
        "tags": st.sampled_from([None, ["b"], Append(("c",)), Append(())]),
    },
)


@given(item=ITEMS, asked=FILTERS, changes=CHANGES)
def test_the_condition_before_a_change_under_which_a_rule_matches_after_it(
    item: Any, asked: Filter, changes: dict[str, Any]
) -> None:
    rule = resolve_filter(META, asked)
    before = after(META, rule, changes, lambda link, value: False)
    assert matcher(META, before)(item) == matcher(META, rule)(changed(META, item, changes))


def test_a_sum_that_engines_cannot_compare_does_not_match() -> None:
    rule = resolve_filter(META, Paper.words > -(2**63) + 1)
    assert after(META, rule, {"words": Add(2**62)}, lambda link, value: False) == NOTHING


def test_a_changed_link_is_looked_up() -> None:
    rule = row_filter(linked("team", owned("chief")), META, ANN)
    asked: list[Any] = []

    def decide(link: Exists, value: Any) -> bool:
        asked.append(value)
        return value == "mine"

    assert after(META, rule, {"team_name": "mine"}, decide) == ALL
    assert after(META, rule, {"team_name": "other"}, decide) == NOTHING
    assert after(META, rule, {"team_name": None}, decide) == NOTHING
    assert after(META, rule, {"words": 3}, decide) == rule
    assert asked == ["mine", "other"]


def test_a_caller_does_not_show_its_claims() -> None:
    assert "boss" not in repr(ANN)
    assert msgspec.structs.replace(ANN, scopes=frozenset()).has("editor") is False


def test_attributes_accept_rules_and_flags() -> None:
    @stored(access=public)
    class Card:
        id: UUID
        pin: str = Attr(default="", readable=nobody, creatable=everyone, updatable=owned("id"))

    pin = meta_of(Card).attributes["pin"]
    assert (pin.readable, pin.creatable, pin.updatable) == (False, True, owned("id"))
