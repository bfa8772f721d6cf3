"""Hidden attributes appear in no error, cursor, conflict or rejection, and cannot be used in requests.

For a role, a hidden attribute is like one that does not exist: the answers differ only in its name.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from persisty import COUNT, Conflict, Create, InvalidCursor, PersistyError, PreconditionFailed, Store, Update
from persisty.api.action_results import guards
from persisty.query.filter_parsing import filter_of_json
from persisty.store.item_redaction import redact_contained
from persisty.store.store import context_of

from .cast import ADMINISTRATOR, ANYBODY, FULL, OUTSIDER, OWNER, RESTRICTED, Role
from .oracle import GIVEN, KINDS, attributes, known, rows, seen, shown
from .surfaces import OverGraphql, OverRest, Python, request
from .test_leaks import Twins, every_restricted_role, same
from .twins import VARIANTS, error_details
from .world import Stage


def names_hidden_from(role: Role, kind: str) -> list[str]:
    return [name for name in attributes(kind) if name not in known(role, kind)]


def givable(role: Role, kind: str, name: str) -> bool:
    """Return whether the role may set the attribute on create or update, although it does not see it."""
    rules = [GIVEN[place] for verb in ("create", "update") if (place := (kind, name, verb)) in GIVEN]
    return all(rule(role) for rule in rules)


def words(ask: Callable[[], Any]) -> str:
    """Return the whole text of an error."""
    with pytest.raises(PersistyError) as raised:
        ask()
    return msgspec.json.encode(error_details(raised.value), enc_hook=repr).decode()


def _misused(store: Store[Any], name: str, key: str, given: bool = True) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield calls that name an attribute."""
    expression = {name: {"eq": "x"}}
    view = context_of(store).guard.view

    def where() -> Any:
        return filter_of_json(store.meta, expression, "/where", view)

    yield "filter", lambda: store.search(where())
    yield "order", lambda: store.search(order=name)
    yield "select", lambda: store.select([name])
    yield "group", lambda: store.count_by(name)
    yield "aggregate", lambda: store.aggregate(COUNT, by=name)
    yield "when", lambda: store.update(key, {}, when=where())
    yield "when of a delete", lambda: store.delete(key, when=where())
    yield "update_all", lambda: store.update_all({}, where())
    if not given:
        return
    yield "create", lambda: store.create({"id": "new", name: "x"})
    yield "update", lambda: store.update(key, {name: "x"})
    yield "batch", lambda: store.edit_batch([Create({"id": "new", name: "x"}), Update(key, {name: "x"})])


@every_restricted_role
@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_attribute_is_like_an_unknown_one(stage: Stage, role: Role, kind: str) -> None:
    store = Python(stage.app).store(role, kind)
    key = next(iter(stage.world[kind]))
    for name in names_hidden_from(role, kind):
        nothing = name[::-1]  # of the same length, and unknown
        given = not givable(role, kind, name)
        pairs = zip(_misused(store, name, key, given), _misused(store, nothing, key, given), strict=True)
        for (place, ask), (_, also) in pairs:
            assert words(ask).replace(name, nothing) == words(also), f"{place} of {kind}.{name}"


@every_restricted_role
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_names_a_hidden_attribute(stage: Stage, role: Role, kind: str) -> None:
    """The error for an unknown attribute lists the attributes that the role sees."""
    store, key = Python(stage.app).store(role, kind), next(iter(stage.world[kind]))
    hidden = [name for name in names_hidden_from(role, kind) if not givable(role, kind, name)]
    changes = {"nothing": 1}
    texts = [words(ask) for _, ask in _misused(store, "nothing", key)]
    texts += [words(lambda: store.create({"id": "new", **changes})), words(lambda: store.update(key, changes))]
    texts += [
        words(lambda: store.update_all(changes)),
        words(lambda: store.edit_batch([Update(key, changes), Create(changes)])),
    ]
    texts += [words(lambda: store.related("nothing", [])), words(lambda: store.select([]))]
    rest = OverRest(stage.app).rest
    for verb, given in (
        ("search", {"where": {"nothing": "1"}}),
        ("create", {"item": changes}),
        ("update", {"key": key, "changes": changes}),
    ):
        texts.append(rest.handle(request(role, kind, verb, **given)).body.decode())
    for text in texts:
        assert not [name for name in hidden if f"{name}" in text], text


@every_restricted_role
def test_cursors_reveal_no_more_than_the_items(stage: Stage, role: Role) -> None:
    """Read all pages, in the engine's own order and in every other order."""
    for kind in KINDS:
        store = Python(stage.app).store(role, kind)
        if not context_of(store).guard.allows("search"):
            continue
        for order in (None, *known(role, kind)):
            try:
                page = store.search(order=order, limit=1)
            except PersistyError:
                continue
            for _ in range(3):
                if page.cursor is None:
                    break
                _, position = msgspec.json.decode(urlsafe_b64decode(page.cursor + "=="))
                assert position.keys() <= set(known(role, kind)), (kind, order, position)
                page = store.search(order=order, limit=1, cursor=page.cursor)


@pytest.mark.parametrize("role", [OUTSIDER, OWNER], ids=str)
def test_cursors_of_bulk_writes_reveal_no_more_than_the_items(stage: Stage, role: Role) -> None:
    for kind in ("profile", "article", "diary"):
        store = Python(stage.app).store(role, kind)
        for done in (
            store.update_all({"text": "x"}, limit=1),
            store.update_all({"text": "x"}, store.meta.item.owner_id == "ann", limit=1),
        ):
            if done.cursor is not None:
                _, position = msgspec.json.decode(urlsafe_b64decode(done.cursor + "=="))
                assert position.keys() <= set(known(role, kind)), (kind, position)
    stage.settle(("profile", "article", "diary"))


def test_a_cursor_of_another_caller_fails_or_returns_what_its_user_may_see(stage: Stage) -> None:
    for kind in ("diary", "article", "ledger", "comment", "profile"):
        for giver in RESTRICTED:
            given = Python(stage.app).store(giver, kind)
            cursor = given.search(limit=1, order="id").cursor if context_of(given).guard.allows("search") else None
            if cursor is None:
                continue
            for taker in RESTRICTED:
                store = Python(stage.app).store(taker, kind)
                try:
                    found = store.search(limit=100, order="id", cursor=cursor).items
                except PersistyError as error:
                    assert isinstance(error, InvalidCursor) or error.code in ("forbidden", "unauthenticated")  # noqa: PT017
                    continue
                assert {one.id for one in found} <= {row["id"] for row in rows(taker, kind, stage.world)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_forged_cursor_reveals_no_hidden_values(twins: Twins, variant: str) -> None:
    """A position with hidden attributes is rejected or has no effect: both worlds give the same answer."""
    one, other = twins(OUTSIDER, variant)
    owned = "ann"
    for kind, name, value in (
        ("profile", "score", 5),
        ("profile", "digest", "h"),
        ("profile", "realm", "f"),
        ("profile", "email", "b"),
    ):

        def ask(store: Any, name: str = name, value: Any = value) -> Any:
            answers = []
            for where in (None, store.meta.item.owner_id == owned):
                page = store.search(where, limit=1)
                fingerprint, position = msgspec.json.decode(urlsafe_b64decode((page.cursor or "") + "==") or b'["",{}]')
                raw = msgspec.json.encode((fingerprint, {**position, name: value}))
                forged = urlsafe_b64encode(raw).rstrip(b"=").decode()
                try:
                    answers.append(store.search(where, limit=5, cursor=forged))
                except InvalidCursor as error:
                    answers.append(error.message)
            return answers

        same(one, other, lambda twin, kind=kind, ask=ask: twin.asks(OUTSIDER, kind, ask))


def test_a_conflict_names_no_hidden_attribute(stage: Stage) -> None:
    """The conflict reveals that a key or value is taken, which is unavoidable, but nothing about the other item."""
    taken = {"badge": "python-bob", "realm": "west"}
    store = Python(stage.app).store(OWNER, "profile")
    errors: list[PersistyError] = []
    edits: list[Callable[[], Any]] = [
        lambda: store.create({"id": "new", **taken}),
        lambda: store.update("python-ann", taken),
        lambda: store.update_all(taken, store.meta.item.id == "python-ann"),
        lambda: _raised(store.edit_batch([Create({"id": "new", **taken})])),
        lambda: _raised(store.edit_batch([Update("python-ann", taken)], atomic=True)),
        lambda: store.create({"id": "python-bob"}),
    ]
    for edit in edits:
        with pytest.raises(Conflict) as raised:
            edit()
        errors.append(raised.value)
    rest = OverRest(stage.app).rest
    bodies = [rest.handle(request(OWNER, "profile", "create", item={"id": "new", **taken})).body.decode()]
    document = "mutation ($i: ProfileCreate!) { profileCreate(item: $i) { id } }"
    bodies.append(OverGraphql(stage.app).send(OWNER, document, {"i": {"id": "new", **taken}}).body.decode())
    stage.settle(("profile",))
    for text in [*bodies, *(msgspec.json.encode(error_details(one), enc_hook=repr).decode() for one in errors)]:
        assert "conflict" in text
        assert "realm" not in text, text


def _raised(results: Any) -> None:
    for one in results:
        if one.error:
            raise one.error


def test_a_conflict_on_a_hidden_key_reveals_no_more_than_on_a_visible_one(stage: Stage) -> None:
    store = Python(stage.app).store(OUTSIDER, "diary")
    own = store.create({"id": "zoes"})
    messages = {words(partial(store.create, {"id": key})) for key in (own.id, "python-anns")}
    stage.settle(("diary",))
    assert len(messages) == 1


@pytest.mark.parametrize("role", [OUTSIDER, OWNER, ANYBODY], ids=str)
def test_the_item_of_a_failed_condition_is_redacted_for_the_role(stage: Stage, role: Role) -> None:
    for kind, key in (
        ("profile", "python-ann"),
        ("profile", "python-bob"),
        ("article", "python-ann1"),
        ("article", "python-bob1"),
    ):
        store = Python(stage.app).store(role, kind)
        for ask in (
            lambda: store.update(key, {"text": "x"}, when=store.meta.item.text == "never"),  # noqa: B023 - called at once
            lambda: store.delete(key, when=store.meta.item.text == "never"),  # noqa: B023
        ):
            try:
                ask()
            except PreconditionFailed as error:
                found = msgspec.to_builtins(error.item)
                row = stage.world[kind][key]
                fine = {name for name in row if seen(role, kind, name, row, stage.world)}
                assert found.keys() <= fine
            except PersistyError as error:
                assert error.code in ("forbidden", "unauthenticated")  # noqa: PT017


@pytest.mark.parametrize("role", RESTRICTED, ids=str)
def test_the_items_in_the_result_of_an_action_are_redacted_for_the_role(stage: Stage, role: Role) -> None:
    assert role.caller is not None
    for kind in ("profile", "article", "comment"):
        items = Python(stage.app).store(FULL, kind).read_batch([*stage.world[kind]])
        result = {"found": [(kind, one) for one in items]}
        found = msgspec.to_builtins(redact_contained(result, guards(stage.app, role.caller)))
        assert found["found"] == [(kind, shown(role, kind, row, stage.world)) for row in stage.world[kind].values()]


@pytest.mark.parametrize("role", RESTRICTED, ids=str)
def test_a_hidden_item_is_rejected_like_a_missing_one(stage: Stage, role: Role) -> None:
    """Every verb with a key gives the same answer for both, with and without a condition."""
    for kind in KINDS:
        world, store = stage.world, Python(stage.app).store(role, kind)
        visible = {row["id"] for row in rows(role, kind, world)}
        hidden = [key for key in world[kind] if key not in visible]
        for key in hidden[:3]:
            for ask in (
                store.read,
                lambda one: store.read_batch([one]),  # noqa: B023
                lambda one: store.update(one, {}),  # noqa: B023
                lambda one: store.update(one, {}, when=store.meta.item.id == "x"),  # noqa: B023
                store.delete,
                lambda one: [store.edit_batch([Update(one, {})], atomic=atomic)[0].code for atomic in (True, False)],  # noqa: B023
            ):
                assert _answer(ask, key) == _answer(ask, "nowhere"), (kind, key)
            rest = OverRest(stage.app).rest
            for verb in ("read", "update", "delete"):
                answers = [rest.handle(request(role, kind, verb, key=one, changes={})) for one in (key, "nowhere")]
                assert answers[0] == answers[1]


def _answer(ask: Callable[[str], Any], key: str) -> Any:
    try:
        return ("ok", ask(key))
    except PersistyError as error:
        return error_details(error)


def test_administrators_do_not_see_attributes_that_no_caller_may_read(stage: Stage) -> None:
    """`readable=False` is for trusted code only."""
    store = Python(stage.app).store(ADMINISTRATOR, "profile")
    text = msgspec.json.encode(store.search(limit=100).items).decode()
    assert "digest" not in text
    assert "digest-of" in msgspec.json.encode(stage.store("profile").search(limit=100).items).decode()
