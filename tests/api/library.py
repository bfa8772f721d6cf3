"""Writers, their posts and notes: items with links and with attributes that only some callers may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from persisty import (
    GENERATED,
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    Caller,
    HasCount,
    HasMany,
    HasOne,
    Index,
    authenticated,
    everyone,
    link,
    nobody,
    owned,
    public,
    stored,
)
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest


@stored(key="name", access=Access(read=everyone))
class Writer:
    name: str
    mail: str | None = Attr(default=None, readable=owned("name"))
    digest: str = Attr(default="secret", readable=False)
    born: int | None = None
    posts: HasMany[Post] = link()
    post_count: HasCount[Post]
    latest: HasOne[Post] = link()
    notes: HasMany[Note] = link()
    secrets: HasMany[Secret] = link()


@stored(indexes=[Index("writer_name", "title")], access=public)
class Post:
    id: UUID = GENERATED
    title: str
    price: Decimal | None = None
    raw: bytes | None = None
    tags: list[str] = Attr(factory=list)
    writer_name: str
    version: int = Attr(generator=VERSION)
    writer: BelongsTo[Writer] = link(by="writer_name")


@stored(indexes=[Index("writer_name")], access=Access(read=owned("writer_name")))
class Note:
    id: UUID = GENERATED
    writer_name: str
    text: str


@stored(indexes=[Index("writer_name")], access=Access(read=nobody, create=authenticated))
class Secret:
    id: UUID = GENERATED
    writer_name: str


ANN, BEN = Caller("ann"), Caller("ben")


class Served:
    """A client. `get(path, query)` returns status and content; `ask` returns the whole response."""

    def __init__(self, app: App) -> None:
        self.app, self.rest = app, Rest(app)

    def ask(self, path: str, query: str = "", caller: Caller = ANN, method: str = "GET", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.rest.handle(Request(method, path, query, named, b"", caller))

    def get(self, path: str, query: str = "", caller: Caller = ANN) -> tuple[int, Any]:
        response = self.ask(path, query, caller)
        return response.status, msgspec.json.decode(response.body)


@contextmanager
def library(url: str = "memory://") -> Iterator[Served]:
    """Return an app with three writers, each with three posts and a note."""
    app = App("library", items=[Writer, Post, Note, Secret], url=url)
    app.prepare()
    for name in ("ann", "ben", "cleo"):
        app.store(Writer).create({"name": name, "mail": f"{name}@x", "digest": f"of {name}"})
        for number in range(3):
            app.store(Post).create({"title": f"{name}{number}", "writer_name": name, "price": "1.50", "raw": b"\0"})
        app.store(Note).create({"writer_name": name, "text": f"of {name}"})
    yield Served(app)
    app.close()
