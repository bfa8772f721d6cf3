"""The cost of access rules: a caller's store against trusted code that writes the rule as a filter.

The caller's compiled rules are cached, as for a caller with a cached token.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID, uuid4

from persisty import App, Caller, Index, owned, scope, stored

from .measure import Row, cpu, row

CALLS, ITEMS, PAGE = 300, 1_000, 25


@stored(indexes=[Index("author_id", "created_at")], access=owned("author_id") | scope("admin"))
class Message:
    id: UUID
    text: str
    author_id: UUID
    created_at: datetime
    updated_at: datetime


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        app = App("rules", items=[Message], url=f"sqlite:///{folder}/rules.db")
        app.prepare()
        authors = [uuid4() for _ in range(10)]
        store, caller = app.store(Message), Caller(str(authors[0]))
        made = [store.create({"text": f"note {n}", "author_id": authors[n % 10]}) for n in range(ITEMS)]
        mine, author = made[0].id, authors[0]
        newest = Message.created_at.desc()
        works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            f"search of {PAGE}": (
                lambda: store.on_behalf_of(caller).search(order=newest, limit=PAGE),
                lambda: store.search(Message.author_id == author, order=newest, limit=PAGE),
            ),
            "count": (lambda: store.on_behalf_of(caller).count(), lambda: store.count(Message.author_id == author)),
            "read": (lambda: store.on_behalf_of(caller).read(mine), lambda: store.read(mine)),
            "update": (
                lambda: store.on_behalf_of(caller).update(mine, {"text": "new"}),
                lambda: store.update(mine, {"text": "new"}, when=Message.author_id == author),
            ),
        }
        for work, (ruled, plain) in works.items():
            found = cpu({"ruled": ruled, "plain": plain}, CALLS)
            yield row(f"SQLite {work} under an owner rule", "the rule by hand", found["ruled"], found["plain"])
        app.close()
