"""Hidden data is never revealed: not in pages, counts, sums, links, cursors, ETags, conflicts, rejections or texts of errors.

Each test sends the same requests to two worlds that differ only in data hidden from the role, and compares the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import COUNT
from persisty.naming import camel, pascal
from persisty.store.store import context_of

from .cast import RESTRICTED, Role
from .fixtures import OpenEngine
from .oracle import KINDS, attributes
from .questions import LINKS, WORDS, changes, filters, keys, kinds, orders
from .surfaces import PYTHON, StoreEdit, _edits, _filter, selection
from .twins import VARIANTS, Twin, same_to
from .world import Stage, world_of

Twins = Callable[[Role, str], tuple[Twin, Twin]]
every_restricted_role = pytest.mark.parametrize("role", RESTRICTED, ids=str)
every_variant = pytest.mark.parametrize("variant", VARIANTS)
QUIET: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
}


@pytest.fixture(scope="session")
def twins(open_engine: OpenEngine) -> Iterator[Twins]:
    """(role, variant) → the world, and the world that differs in data hidden from the role."""
    with ExitStack() as stack:
        stages = [stack.enter_context(closing(Stage(open_engine, world_of("a", "b")))) for _ in range(2)]
        one, other = map(Twin, stages)

        def differing(role: Role, variant: str) -> tuple[Twin, Twin]:
            world = VARIANTS[variant](role, one.stage.world)
            assert same_to(role, one.stage.world, world)
            other.stage.become(world)
            return one, other

        yield differing


def tried(twin: Twin, many: int, few: int) -> int:
    """Return the number of examples: fewer over a network engine."""
    return many if context_of(twin.stage.store("diary")).backend.capabilities.embedded else few


def same(one: Twin, other: Twin, ask: Callable[..., bytes], *given: Any) -> None:
    answer, other_answer = ask(one, *given), ask(other, *given)
    assert answer == other_answer


def pages(store: Any, where: Any, order: Any, limit: int) -> list[Any]:
    """Return all pages, with their cursors."""
    found: list[Any] = []
    cursor = None
    for _ in range(4):
        page = store.search(_filter(store, where), order=order or None, limit=limit, cursor=cursor)
        found.append(page)
        cursor = page.cursor
        if cursor is None:
            break
    return found


@every_restricted_role
@every_variant
def test_python_reveals_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    one, other = twins(role, variant)

    @settings(max_examples=tried(one, 25, 4), **QUIET)
    @given(st.data())
    def compare(data: st.DataObject) -> None:
        kind = data.draw(kinds())
        where, order, limit = (
            data.draw(filters(kind) | st.none()),
            data.draw(orders(kind)),
            data.draw(st.integers(1, 5)),
        )
        name, word = data.draw(st.sampled_from(attributes(kind))), data.draw(st.none() | st.sampled_from(WORDS))
        calls: list[Callable[[Any], Any]] = [
            lambda store: pages(store, where, order, limit),
            lambda store: store.count(_filter(store, where)),
            lambda store: store.aggregate(COUNT, by=name, where=_filter(store, where)),
            lambda store: store.select([name, "id"], _filter(store, where), order=order or None, limit=limit),
            lambda store: list(store.search_all(_filter(store, where), query=word)),
        ]
        ask = data.draw(st.sampled_from(calls))
        same(one, other, lambda twin: twin.asks(role, kind, ask))

    compare()


@every_restricted_role
@every_variant
def test_pages_in_every_order_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Read row by row in the engine's own order and by every attribute: cursors reveal nothing either."""
    one, other = twins(role, variant)
    for kind in KINDS:
        for order in ([], *([name] for name in few(one, attributes(kind), ("rank", "score")))):
            same(one, other, _pages_of, role, kind, order)


def _pages_of(twin: Twin, role: Role, kind: str, order: Any) -> bytes:
    return twin.asks(role, kind, lambda store: pages(store, None, order, 1))


def few(twin: Twin, of: tuple[str, ...], some: tuple[str, ...]) -> list[str]:
    """Return `of`, or `some` over a network engine."""
    return [one for one in of if one in some or tried(twin, 1, 0)]


@every_restricted_role
@every_variant
def test_aggregates_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    one, other = twins(role, variant)
    for kind in KINDS:
        for name in attributes(kind):
            same(one, other, _added_up, role, kind, name)


def _added_up(twin: Twin, role: Role, kind: str, name: str) -> bytes:
    def ask(store: Any) -> Any:
        attribute = store.meta.item.__dict__[name]
        return [store.aggregate(COUNT, attribute.max(), attribute.min()), store.count_by(name)]

    return twin.asks(role, kind, ask)


@every_restricted_role
@every_variant
def test_links_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Follow the links of every row that the role sees, and of rows as another role sees them."""
    one, other = twins(role, variant)
    for kind in KINDS:
        meta = one.stage.store(kind).meta
        trusted = [meta.item(**row) for row in one.stage.world[kind].values()]
        for name in meta.links:
            same(one, other, _linked, role, kind, name)
            same(one, other, _related, role, kind, name, trusted)


def _linked(twin: Twin, role: Role, kind: str, name: str) -> bytes:
    def ask(store: Any) -> Any:
        items = store.search(order="id", limit=100).items
        return [store.links(items, name, limit=2), store.related(name, items, limit=1)]

    return twin.asks(role, kind, ask)


def _related(twin: Twin, role: Role, kind: str, name: str, items: list[Any]) -> bytes:
    return twin.asks(role, kind, lambda store: store.related(name, items))


@every_restricted_role
@every_variant
def test_filters_through_links_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Filter for a linked item, for none, and for a linked item with each attribute null."""
    one, other = twins(role, variant)
    for kind, links in LINKS.items():
        for link, target in links.items():
            names = few(one, attributes(target), ("owner_id", "reviewer_id", "score"))
            filters: list[dict[str, Any]] = [{link: {}}, {"not": {link: {}}}]
            filters += [{link: {name: {"null": null}}} for name in names for null in (True, False)]
            for where in filters:
                same(one, other, _counted, role, kind, where)


def _counted(twin: Twin, role: Role, kind: str, where: Any) -> bytes:
    return twin.asks(role, kind, lambda store: store.count(_filter(store, where)))


@every_restricted_role
@every_variant
def test_rest_reveals_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Compare status, headers and body, also of conditional requests."""
    one, other = twins(role, variant)

    @settings(max_examples=tried(one, 25, 4), **QUIET)
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        kind = data.draw(kinds())
        verb = data.draw(st.sampled_from(("read", "search", "count", "read_batch")))
        comparison = data.draw(filters(kind, 0))
        [(name, asked)] = comparison.items()
        [(operator, value)] = asked.items()
        path = data.draw(
            st.sampled_from(["", *(f"{link}." for link, to in LINKS[kind].items() if name in attributes(to))])
        )
        given: dict[str, Any] = {
            "where": {f"{path}{name}__{operator}": value[0] if isinstance(value, list) else value},
            "query": data.draw(st.none() | st.sampled_from(WORDS)),
            "order": data.draw(orders(kind)) or ["id"],
            "limit": data.draw(st.integers(0, 4)),
            "key": data.draw(keys(kind)),
            "keys": data.draw(st.lists(keys(kind), max_size=4)),
            "include": data.draw(st.sampled_from(["", *LINKS[kind], *COUNTS.get(kind, ())])),
        }
        tags = data.draw(
            st.sampled_from([{}, {"if-none-match": "*"}, {"if-match": '"1.00"'}, {"if-none-match": '"00"'}])
        )
        same(one, other, lambda twin: twin.requests(role, kind, verb, headers=tags, **given))

    asked()


@every_restricted_role
@every_variant
def test_graphql_reveals_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Filter items, and filter and count the links below them."""
    one, other = twins(role, variant)

    @settings(max_examples=tried(one, 20, 4), **QUIET)
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(("diary", "article", "comment", "profile", "notice", "team", "enrolment")))
        document = (
            f"query ($w: {pascal(kind)}Where, $q: String) {{ {camel(kind + '_search')}(where: $w, query: $q, limit: 3)"
            f" {{ items {{ {selection(kind)} {BELOW[kind]} }} cursor }} {camel(kind + '_count')}(where: $w) }}"
        )
        variables = {"w": data.draw(filters(kind, 2) | st.none()), "q": data.draw(st.none() | st.sampled_from(WORDS))}
        same(one, other, lambda twin: twin.queries(role, document, variables))

    asked()


COUNTS = {"profile": ("review_count", "team_count"), "article": ("comment_count",)}
"""Kind → links that can be included, besides those that a filter may follow."""
BELOW = {
    "diary": "profile { id email diaryCount }",
    "article": "profile { id } reviewer { id text } comments(limit: 1) { items { id article { id } } cursor } commentCount",
    "comment": "article { id reviewer { id } comments { items { id } } }",
    "profile": "articles(limit: 1) { items { id } cursor } articleCount reviews { items { id } } reviewCount diary { id }"
    " diaryCount teams { items { id text } } teamCount",
    "notice": "diary { id text }",
    "team": "profiles { items { id } }",
    "enrolment": "profile { id email } team { id }",
}
"""Kind → selected links."""


@every_restricted_role
@every_variant
def test_writes_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Write changes with conditions: alone, in batches, and to all matches; through Python, REST and GraphQL's form of edits."""
    one, other = twins(role, variant)

    @settings(max_examples=tried(one, 25, 4), **QUIET)
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        kind = data.draw(kinds())
        key, when, changed = data.draw(keys(kind)), data.draw(filters(kind, 2) | st.none()), data.draw(changes(kind))
        verb = data.draw(st.sampled_from(("update", "delete", "edit_batch", "update_all", "delete_all", "rest")))
        edits = [
            {"update": {"key": key, "changes": changed}},
            {"delete": {"key": data.draw(keys(kind).filter(lambda one: one != key))}},
        ]
        atomic = data.draw(st.booleans())
        asks: dict[str, Callable[[Any], Any]] = {
            "update": lambda store: PYTHON["update"](store, key, changed, when),
            "delete": lambda store: PYTHON["delete"](store, key, when),
            "edit_batch": lambda store: [
                {"code": one.code, "item": one.item, "error": one.error}
                for one in store.edit_batch(_edits(edits), atomic=atomic)
            ],
            "update_all": lambda store: store.update_all(changed, _filter(store, when)),
            "delete_all": lambda store: store.delete_all(_filter(store, when)),
        }
        try:
            if verb == "rest":
                comparison = data.draw(filters(kind, 0))
                [(name, compared)] = comparison.items()
                [(operator, value)] = compared.items()
                condition = {f"{name}__{operator}": str(value[0] if isinstance(value, list) else value)}
                same(
                    one,
                    other,
                    lambda twin: twin.requests(role, kind, "update", key=key, changes=changed, when=condition),
                )
            else:
                same(one, other, lambda twin: twin.asks(role, kind, asks[verb]))
        finally:
            found, also = one.stage.settle(AFFECTED.get(kind, (kind,))), other.stage.settle(AFFECTED.get(kind, (kind,)))
        assert same_to(role, {**one.stage.world, **found}, {**other.stage.world, **also})

    asked()


@every_restricted_role
@every_variant
def test_batches_of_several_stores_reveal_no_hidden_data(twins: Twins, role: Role, variant: str) -> None:
    """Edit two kinds in one batch, on conditions."""
    one, other = twins(role, variant)

    @settings(max_examples=tried(one, 25, 4), **QUIET)
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        chosen = data.draw(st.lists(kinds(), min_size=2, max_size=2, unique=True))
        batch: list[StoreEdit] = []
        for kind in chosen:
            key, when = data.draw(keys(kind)), data.draw(st.none() | filters(kind, 1))
            condition = {} if when is None else {"when": when}
            changed = data.draw(st.none() | st.just({"text": "x"}) | changes(kind))
            body = {"key": key, **({} if changed is None else {"changes": changed}), **condition}
            batch.append((kind, "delete" if changed is None else "update", body))
        atomic = data.draw(st.booleans())
        affected = tuple(dict.fromkeys(name for kind in chosen for name in AFFECTED.get(kind, (kind,))))
        try:
            same(one, other, lambda twin: twin.edits_stores(role, batch, atomic=atomic))
        finally:
            found, also = one.stage.settle(affected), other.stage.settle(affected)
        assert same_to(role, {**one.stage.world, **found}, {**other.stage.world, **also})

    asked()


AFFECTED = {"article": ("article", "comment"), "diary": ("diary", "notice")}
"""Kind → kinds whose rows a delete also changes."""
