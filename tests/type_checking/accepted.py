"""Code that both checkers accept, with the types that they infer. It also runs."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_type
from uuid import UUID

from msgspec import Meta, Struct

from persisty import (
    COUNT,
    GENERATED,
    UUID7_TEXT,
    VERSION,
    AfterCreate,
    AfterUpdate,
    Aggregate,
    App,
    Attr,
    Before,
    BelongsTo,
    BulkResult,
    Create,
    Delete,
    Event,
    Filter,
    Generator,
    Group,
    HasCount,
    HasMany,
    HasOne,
    Index,
    OrderBy,
    ResultPage,
    Retry,
    Store,
    Update,
    add,
    current_event,
    link,
    owned,
    public,
    stored,
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(Struct):
    city: str
    post_code: str | None = None


@dataclass
class Customer:
    email: str
    address: Address | None = None


def _tag() -> str:
    return "new"


@stored(access=public)
class User:
    id: Attr[UUID] = GENERATED
    username: Attr[Annotated[str, Meta(min_length=1)]]
    admin: Attr[bool] = Attr(default=False, creatable=False, updatable=owned("id"))
    messages: HasMany[Message] = link()
    message_count: HasCount[Message] = link()
    profile: HasOne[Profile] = link()


@stored
class Profile:
    id: Attr[str] = UUID7_TEXT
    user_id: Attr[UUID]
    user: BelongsTo[User] = link(on_delete="cascade")


@stored(indexes=[Index("author_id", "created_at")])
class Message:
    """Every kind of attribute."""

    id: Attr[UUID] = GENERATED
    text: Attr[Annotated[str, Meta(max_length=1000)]]
    author_id: Attr[UUID]
    rank: Attr[int] = Attr(default=0)
    age: Attr[int | None] = Attr(default=None)
    ratio: Attr[float | None] = Attr(default=None)
    price: Attr[Decimal] = Attr(default=Decimal(1))
    size: Attr[Literal["s", "m"] | None] = Attr(default=None)
    color: Attr[Color] = Attr(default=Color.RED)
    tags: Attr[list[str]] = Attr(factory=list)
    customer: Attr[Customer | None] = Attr(default=None)
    address: Attr[Address | None] = Attr(default=None)
    extra: Attr[dict[str, Any] | None] = Attr(default=None, readable=False)
    code: Attr[str] = Attr(default=Generator("tag", create=_tag), description="A generator of the app's own")
    version: Attr[int] = VERSION
    created_at: Attr[datetime] = GENERATED
    author: BelongsTo[User] = link(on_delete="cascade")

    def shout(self) -> str:
        return self.text.upper()


app = App("typed", items=[User, Profile, Message], url="memory://")
users, messages = app.store(User), app.store(Message)
assert_type(messages, Store[Message])

# instances are plain values
ann = users.create(User(username="ann"))
message = messages.create(Message(text="hello", author_id=ann.id, age=4, customer=Customer("a@b.c")))
assert_type(message, Message)
assert_type(message.text, str)
assert_type(message.age, int | None)
assert_type(message.version, int)
assert_type(message.created_at, datetime)
assert_type(message.tags, list[str])
message.text = message.shout()
profile = app.store(Profile).create(Profile(user_id=ann.id))

# filters, orders and aggregates
FILTERS: list[Filter] = [
    Message.text == "hello",
    Message.text.contains("x") | Message.text.startswith("h") & ~Message.text.icontains("LL"),
    (Message.age > 3) & (Message.age != None),  # noqa: E711
    Message.rank > 3,
    Message.ratio < 1,
    Message.price >= Decimal("0.5"),
    Message.size == "s",
    Message.size.oneof(["s", "m", None]),
    Message.size.endswith("m"),
    Message.color == Color.RED,
    Message.color.oneof([Color.RED]),
    Message.created_at <= datetime(2030, 1, 1, tzinfo=UTC),
    Message.tags.is_null(False),
    Message.extra.is_null(),
    Message.customer.email == "a@b.c",
    Message.customer.address.city.startswith("R"),
    Message.address["post_code"].is_null(),
    Message.author.username == "ann",
    Message.author.username.contains("a") & (Message.author.profile.user_id == ann.id),
]
OF_USERS: list[Filter] = [
    User.messages.any(Message.rank > 3),
    ~User.messages.any(),
    User.messages.text == "hello",
]
of_profiles: Filter = Profile.user.messages.any(Message.text == "HELLO")
assert_type(Message.created_at.desc(), OrderBy)
assert_type(Message.rank.sum(), Aggregate)

# the verbs
page = messages.search(Message.author.username == "ann", order=[Message.created_at.desc(), Message.rank, "id"], limit=5)
assert_type(page, ResultPage[Message])
assert_type(messages.search_all(), Iterator[Message])
assert_type([one.text for one in page], list[str])
changed = messages.update(message.id, {"text": "hi", "rank": add(1)}, when=Message.version == message.version)
assert_type(changed, Message | None)
assert_type(messages.read(message.id), Message | None)
assert_type(messages.read_batch([message.id]), list[Message | None])
assert_type(messages.select([Message.text, "rank"], Message.rank > 0), ResultPage[dict[str, Any]])
assert_type(messages.aggregate(COUNT, Message.rank.max(), Message.price.avg(), by=Message.color), list[Group])
assert_type(messages.count_by(Message.age, Message.rank > 0), dict[int | None, int])
assert_type(messages.count(Message.text.contains("h")), int)
assert_type(messages.update_all({"rank": 3}, Message.rank == 1), BulkResult)
batch = [Create(Message(text="b", author_id=ann.id)), Update(message.id, {"rank": 4}), Delete(message.id)]
results = messages.edit_batch(batch, atomic=False)
assert_type(results[0].item, Message | None)

# links, once loaded
for user in users.links(users.search(), User.messages, User.message_count, User.profile):
    assert_type(user.messages, ResultPage[Message])
    assert_type(user.message_count, int)
    assert_type(user.profile, Profile | None)
    assert_type([one.text.upper() for one in user.messages], list[str])
loaded = messages.links(messages.search().items, Message.author)
assert_type(loaded, list[Message])
assert_type(messages.links(loaded[0], "author.profile"), Message)
author = loaded[0].author
assert_type(author, User | None)
assert author is not None
assert_type(author.username, str)
counts = [messages.count(one) for one in FILTERS] + [users.count(one) for one in OF_USERS]
assert_type(counts, list[int])

# triggers
TRIGGERS = (
    AfterCreate(Message, where=Message.text.contains("h"), retry=Retry(attempts=3)),
    AfterUpdate(Message, before=Message.rank != 1, after=Message.rank == 1, changed=[Message.rank, "customer.email"]),
    Before("message", on=["create", "delete"], where=Message.rank > 0),
)


def handler(event: Event[Message]) -> dict[str, Any] | Message:
    assert_type(event.item, Message)
    assert_type(event.item.text, str)
    assert_type(event.after, Message | None)
    assert_type(event.id, UUID)
    assert_type(event.caller, str | None)
    if event.before is not None:
        assert_type(event.before.rank, int)
        return event.before
    return {"text": event.item.shout()}


assert_type(current_event(), Event[Any] | None)
