"""Users and their messages: the declaration that `make run` serves and `make deploy` deploys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from persisty import (
    GENERATED,
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    Index,
    Unique,
    authenticated,
    link,
    nobody,
    owned,
    scope,
    stored,
)

admin = scope("admin")


@stored(
    indexes=[Unique("username")],
    access=Access(read=authenticated, update=owned("id") | admin, delete=owned("id") | admin),
)
class User:
    """A user who writes messages. The action `sign_up` creates one."""

    id: Attr[UUID] = GENERATED
    username: Attr[Annotated[str, Meta(min_length=1, max_length=255)]]
    full_name: Attr[str | None] = Attr(default=None)
    email: Attr[str | None] = Attr(default=None, readable=owned("id") | admin)
    admin: Attr[bool] = Attr(default=False, creatable=False, updatable=admin)
    password_digest: Attr[str | None] = Attr(default=None, readable=False, creatable=False, updatable=False)
    created_at: Attr[datetime] = GENERATED
    updated_at: Attr[datetime] = GENERATED
    messages: HasMany[Message] = link()
    message_count: HasCount[Message] = link()


@stored(
    indexes=[Index("author_id", "created_at")],
    access=Access(
        read=authenticated,
        create=owned("author_id"),
        update=owned("author_id") | admin,
        delete=owned("author_id") | admin,
    ),
)
class Message:
    """A message of a user. The server sets the author."""

    id: Attr[UUID] = GENERATED
    text: Attr[Annotated[str, Meta(min_length=1, max_length=1000)]]
    author_id: Attr[UUID] = GENERATED
    version: Attr[int] = VERSION
    created_at: Attr[datetime] = GENERATED
    updated_at: Attr[datetime] = GENERATED
    author: BelongsTo[User] = link(on_delete="cascade")


@stored(key="author_id", access=nobody)
class AuthorTotal:
    """The number of messages that an author has written. A trigger counts them."""

    author_id: Attr[UUID]
    messages: Attr[int] = Attr(default=0)


@stored(access=nobody, expires="expires")
class CountedEvent:
    """An event that was counted. It may be delivered again, and must not count twice."""

    id: Attr[UUID]
    expires: Attr[int]


items = [User, Message, AuthorTotal, CountedEvent]
app = App("messenger", items=items, actions=["examples.messenger.actions"])
