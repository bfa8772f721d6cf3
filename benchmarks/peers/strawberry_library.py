"""The library as Strawberry's own guide writes it: types with async resolvers, and a new DataLoader for each link and request.

The rows come from SQLite through SQLAlchemy Core, the JSON from Python's json, as in Strawberry. The argument `cached` after the path of
the database turns on its caches of parsed and validated documents.
"""

import asyncio
import json
import sys
from collections import defaultdict
from typing import Any

import strawberry
from sqlalchemy import MetaData, create_engine, select
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from ..answering import serve

QUERY = """query Library($first: Int!, $books: Int!) {
    authors(limit: $first) { items { id name born house { name } books(limit: $books) { items { id title year } } } } }"""
VARIABLES = {"first": 50, "books": 10}

engine = create_engine(f"sqlite:///{sys.argv[1]}")
metadata = MetaData()
metadata.reflect(engine)
house, author, book = (metadata.tables[name] for name in ("house", "author", "book"))


@strawberry.type
class House:
    id: strawberry.ID
    name: str


@strawberry.type
class Book:
    id: strawberry.ID
    title: str
    year: int


@strawberry.type
class BookPage:
    items: list[Book]


@strawberry.type
class Author:
    id: strawberry.ID
    name: str
    born: int
    house_id: strawberry.Private[str]

    @strawberry.field
    async def house(self, info: strawberry.Info) -> House | None:
        return await info.context["houses"].load(self.house_id)

    @strawberry.field
    async def books(self, info: strawberry.Info, limit: int) -> BookPage:
        return BookPage(items=(await info.context["books"].load(self.id))[:limit])


@strawberry.type
class AuthorPage:
    items: list[Author]


@strawberry.type
class Query:
    @strawberry.field
    async def authors(self, limit: int) -> AuthorPage:
        with engine.connect() as connection:
            rows = connection.execute(select(author).order_by(author.c.id).limit(limit)).all()
        return AuthorPage(
            items=[Author(id=row.id, name=row.name, born=row.born, house_id=row.house_id) for row in rows]
        )


async def load_houses(keys: list[str]) -> list[House | None]:
    with engine.connect() as connection:
        rows = connection.execute(select(house).where(house.c.id.in_(keys))).all()
    found = {row.id: House(id=row.id, name=row.name) for row in rows}
    return [found.get(key) for key in keys]


async def load_books(keys: list[str]) -> list[list[Book]]:
    with engine.connect() as connection:
        rows = connection.execute(select(book).where(book.c.author_id.in_(keys)).order_by(book.c.year)).all()
    found: dict[str, list[Book]] = defaultdict(list)
    for row in rows:
        found[row.author_id].append(Book(id=row.id, title=row.title, year=row.year))
    return [found[key] for key in keys]


schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache] if "cached" in sys.argv else [])
loop = asyncio.new_event_loop()


async def ask() -> Any:
    context = {"houses": DataLoader(load_fn=load_houses), "books": DataLoader(load_fn=load_books)}
    return await schema.execute(QUERY, variable_values=VARIABLES, context_value=context)


def answer() -> bytes:
    result = loop.run_until_complete(ask())
    if result.errors:
        raise RuntimeError(result.errors)
    return json.dumps({"data": result.data}).encode()


if __name__ == "__main__":
    serve(answer)
