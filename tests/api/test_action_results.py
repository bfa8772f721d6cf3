"""The stored items in the result of a custom action show what this caller may read, on every surface."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict
from uuid import uuid4

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    Caller,
    HasMany,
    ResultPage,
    everyone,
    link,
    linked,
    owned,
    scope,
    stored,
    where,
)
from persisty.api.authorization import authorization_of
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.api.servey import servey_actions
from persisty.errors import PreconditionFailed, UnreadableItem
from persisty.security.caller import ANONYMOUS
from persisty.store.edits import Update

SECRET = "SECRET-DIGEST"
MAIL = "ann@example.com"


@stored(access=Access(read=everyone, update=everyone))
class Member:
    """An item whose digest no caller may read, and whose mail only the owner may read."""

    id: str
    owner: str
    mail: str | None = Attr(default=None, readable=owned("owner"))
    digest: str = Attr(default="", readable=False, creatable=False, updatable=False)
    badge_id: str | None = Attr(default=None, readable=scope("admin"))
    rank: int = Attr(default=0, readable=False)
    motto: str | None = Attr(default=None, readable=where(rank__ge=3))
    badge: BelongsTo[Badge]
    posts: HasMany[Post] = link()


@stored(access=everyone)
class Badge:
    id: str
    code: str = Attr(default="", readable=False)


@stored(access=everyone)
class Post:
    id: str
    member_id: str
    draft: str | None = Attr(default=None, readable=linked("member", owned("owner")))
    member: BelongsTo[Member]


@stored(access=everyone)
class Plain:
    id: str


@stored(access=everyone)
class Foreign:
    """An item that the app does not store."""

    id: str
    code: str = Attr(default="", readable=False)
    mail: str | None = Attr(default=None, readable=owned("id"))


@dataclass(frozen=True)
class Held:
    member: Member
    note: str = "held"


class Team(Struct, frozen=True):
    members: list[Member]
    by_id: dict[str, Member] = {}
    sole: Member | None = None


class Base(Struct):
    name: str = "base"


class Further(Base):
    member: Member | None = None


class Pair(NamedTuple):
    number: int
    member: Member


class Typed(TypedDict):
    member: Member


class Looped(Struct):
    member: Member
    own: Any = None


def members() -> Any:
    return app.store(Member)


def ann() -> Member:
    found: Member = members().read("m")
    return found


def raised() -> Member:
    raise PreconditionFailed(item=ann(), others=[ann()])


def failed() -> Member | None:
    found: Member | None = members().update("m", {"rank": 9}, when=Member.rank == 1000)
    return found


def partly() -> list[Member | None]:
    raise UnreadableItem("one of two", others=[None, ann()], by_position={0: UnreadableItem("the first", item=ann())})


def looped() -> Looped:
    made = Looped(ann())
    made.own = [made]
    return made


RESULTS: Mapping[str, tuple[Any, Any]] = {
    "item": (Member, ann),
    "listed": (list[Member], lambda: [ann(), ann()]),
    "optional": (Member | None, ann),
    "paged": (ResultPage[Member], lambda: members().search()),
    "by name": (dict[str, Member], lambda: {"m": ann()}),
    "in a dataclass": (Held, lambda: Held(ann())),
    "in a struct": (Team, lambda: Team([ann()], {"m": ann()}, ann())),
    "in a subclass": (Base, lambda: Further(member=ann())),
    "in a named tuple": (Pair, lambda: Pair(1, ann())),
    "in a typed dict": (Typed, lambda: {"member": ann()}),
    "in a tuple": (tuple[int, Member], lambda: (1, ann())),
    "in anything": (Any, lambda: {"a": [{"b": (ann(), [Held(ann())])}]}),
    "in a plain dict": (dict, lambda: {"m": ann()}),
    "in a plain list": (list, lambda: [1, ann()]),
    "yielded": (list[Member], lambda: (one for one in [ann()])),
    "results of edits": (Any, lambda: members().edit_batch([Update("m", {}), Update("m", {}, Member.rank == 99)])),
    "with links": (list[Member], lambda: [members().links(ann(), "posts", "badge", "posts.member")]),
    "behind a link": (list[Post], lambda: [app.store(Post).links(app.store(Post).read("p"), "member")]),
    "other": (list[Any], lambda: [Foreign(id="m", code=SECRET, mail=MAIL)]),
}  # fmt: skip


def made(name: str, returns: Any, body: Any, control: Any = None) -> Any:
    def call() -> Any:
        return body()

    call.__name__, call.__annotations__ = name.replace(" ", "_"), {"return": returns}
    more = {} if control is None else {"cache_control": control}
    return action(access_control=everyone, triggers=WEB_GET, **more)(call)


def written() -> Member:
    return ann()


PUBLIC = SecureHashCacheControl(private=False)
ACTIONS = [
    *(made(name, *one) for name, one in RESULTS.items()),
    made("raised", Member, raised),
    made("failed", Member | None, failed),
    made("partly", list[Member | None], partly),
    made("looped", Looped, looped),
    made("public_member", Member, ann, PUBLIC),
    made("public_in_a_dict", dict, lambda: {"m": ann()}, PUBLIC),
    made("public_badge", Badge, lambda: app.store(Badge).read("b"), PUBLIC),
    made("public_number", int, lambda: 1, PUBLIC),
    action(access_control=everyone, triggers=WEB_POST)(written),
]
app = App("club", items=[Member, Badge, Post, Plain], actions=ACTIONS, url="memory://")
CALLERS = {
    "anonymous": ANONYMOUS,
    "ann": Caller("ann"),
    "ben": Caller("ben"),
    "admin": Caller("eve", frozenset({"admin"})),
}


@pytest.fixture(autouse=True, scope="module")
def club() -> Iterator[None]:
    app.store(Badge).create(Badge(id="b", code=SECRET))
    app.store(Member).create(
        Member(id="m", owner="ann", mail=MAIL, digest=SECRET, badge_id="b", rank=4, motto="always")
    )
    app.store(Post).create(Post(id="p", member_id="m", draft="DRAFT"))
    yield
    app.close()


def get(name: str, subject: str = "anonymous") -> tuple[int, dict[str, str], Any]:
    path = f"/actions/{name.replace(' ', '-').replace('_', '-')}"
    response = Rest(app).handle(Request("GET", path, caller=CALLERS[subject]))
    return response.status, dict(response.headers), json.loads(response.body)


def ask(field: str, subject: str, text: str) -> Any:
    body = json.dumps({"query": f"{{ {field} {text} }}"}).encode()
    sent = {"content-type": "application/json"}
    response = GraphqlEndpoint(app).handle(
        Request("POST", "/graphql", headers=sent, body=body, caller=CALLERS[subject])
    )
    return json.loads(response.body)


@pytest.mark.parametrize("subject", CALLERS)
@pytest.mark.parametrize("name", RESULTS)
def test_rest_returns_no_hidden_attribute(name: str, subject: str) -> None:
    status, _, found = get(name, subject)
    text = json.dumps(found)
    assert status == 200, text
    assert SECRET not in text
    assert "rank" not in text
    assert (MAIL in text) == (subject == "ann" and name != "other"), text
    assert ("DRAFT" in text) == (subject == "ann" and "link" in name), text
    assert ('"badge_id"' in text) == (subject == "admin" and name != "other"), text
    assert ("always" in text) == (name != "other")


@pytest.mark.parametrize("subject", CALLERS)
def test_an_item_of_an_action_is_the_item_of_its_store(subject: str) -> None:
    rest = Rest(app)
    stored = rest.handle(Request("GET", "/api/member/m", caller=CALLERS[subject])).body
    assert rest.handle(Request("GET", "/actions/item", caller=CALLERS[subject])).body == stored


@pytest.mark.parametrize("subject", CALLERS)
def test_graphql_and_appsync_return_the_same_redacted_result(subject: str) -> None:
    mail = MAIL if subject == "ann" else None
    assert ask("item", subject, "{ id mail motto }") == {"data": {"item": {"id": "m", "mail": mail, "motto": "always"}}}
    nested = ask("inAStruct", subject, "{ members { mail } sole { mail } }")
    assert nested["data"]["inAStruct"] == {"members": [{"mail": mail}], "sole": {"mail": mail}}
    appsync = AppSync(app)
    for name in RESULTS.keys() - {"results of edits"}:  # whose error has no form in AWSJSON
        field = "".join(one.capitalize() for one in name.split())
        envelope = appsync.handle({"fieldName": field[0].lower() + field[1:]}, CALLERS[subject])
        text = json.dumps(envelope)
        assert not [one for one in (SECRET, "rank", '"error') if one in text], name
        assert MAIL not in text or subject == "ann"
    for name in ("inAnything", "inAPlainDict"):  # any JSON: a field without a selection
        text = json.dumps(ask(name, subject, ""))
        assert SECRET not in text
        assert "errors" not in text
        assert (MAIL in text) == (subject == "ann")


def test_items_within_errors_are_redacted() -> None:
    for name in ("raised", "failed"):
        status, _, found = get(name)
        assert (status, found["item"]["id"]) == (412, "m")
        assert SECRET not in json.dumps(found)
        assert MAIL not in json.dumps(found)
        assert MAIL in json.dumps(get(name, "ann")[2])
        assert MAIL not in json.dumps(ask(name, "ben", "{ id }"))
    for subject in ("ben", "ann"):
        found = ask("partly", subject, "{ mail }")
        assert found["data"]["partly"] == [None, {"mail": MAIL if subject == "ann" else None}]
        assert (MAIL in json.dumps(found["errors"])) == (subject == "ann")


def test_a_value_that_contains_itself_is_redacted_everywhere() -> None:
    text = "{ member { mail } own }"
    assert ask("looped", "ann", "{ member { mail } }")["data"]["looped"] == {"member": {"mail": MAIL}}
    assert ask("looped", "ben", "{ member { mail } }")["data"]["looped"] == {"member": {"mail": None}}
    assert MAIL not in json.dumps(ask("looped", "ben", text))


def test_a_response_that_depends_on_the_caller_is_not_cached_publicly() -> None:
    for name in ("public_member", "public_in_a_dict"):
        _, headers, _ = get(name)
        assert headers["cache-control"].startswith("private")
        assert headers["vary"] == "authorization"
    for name in ("public_badge", "public_number"):
        assert get(name)[1]["cache-control"].startswith("public"), name


def test_a_replay_repeats_the_redacted_response() -> None:
    rest, sent = Rest(app), {"content-type": "application/json", "idempotency-key": str(uuid4())}
    bodies = [rest.handle(Request("POST", "/actions/written", headers=sent)) for _ in range(2)]
    assert bodies[1].headers["idempotency-replayed"] == "true"
    assert bodies[0].body == bodies[1].body
    assert SECRET.encode() not in bodies[0].body


def test_servey_gets_redacted_results() -> None:
    actions = {one.name: one for one in servey_actions(app)}
    for subject, mail in (("ann", MAIL), ("ben", None)):
        found = actions["in_a_struct"].fn(authorization=authorization_of(CALLERS[subject]))
        assert {one.mail or None for one in (*found.members, found.sole)} == {mail}
        with pytest.raises(PreconditionFailed) as caught:
            actions["raised"].fn(authorization=authorization_of(CALLERS[subject]))
        assert caught.value.item.mail == mail or mail is None
    assert "authorization" not in actions["public_number"].fn.__annotations__


def test_python_and_the_store_are_not_changed_by_a_redaction() -> None:
    get("in a struct")
    assert ann().digest == SECRET
    assert next(one for one in ACTIONS if one.__name__ == "item")().digest == SECRET
