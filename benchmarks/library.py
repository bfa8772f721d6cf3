"""The data of the GraphQL measurements: authors, their books and their publishing houses. Both sides read one SQLite file."""

from uuid import UUID

from persisty import App, BelongsTo, Create, HasMany, Index, public, stored

AUTHORS, BOOKS, HOUSES = 50, 10, 5


@stored(access=public)
class House:
    id: UUID
    name: str


@stored(access=public)
class Author:
    id: UUID
    name: str
    born: int
    house_id: UUID
    house: BelongsTo["House"]
    books: HasMany["Book"]


@stored(access=public, indexes=[Index("author_id", "year")])
class Book:
    id: UUID
    title: str
    year: int
    author_id: UUID
    author: BelongsTo["Author"]


def library(path: str) -> App:
    """Return the app over a SQLite file."""
    return App("library", items=[House, Author, Book], url=f"sqlite:///{path}")


def fill(app: App) -> None:
    """Store the authors and their books."""
    app.prepare()
    houses = [app.store(House).create({"name": f"House {number}"}) for number in range(HOUSES)]
    for number in range(AUTHORS):
        author = {"name": f"Author number {number}", "born": 1900 + number, "house_id": houses[number % HOUSES].id}
        key = app.store(Author).create(author).id
        books = [{"title": f"Book {n} of author {number}", "year": 1950 + n, "author_id": key} for n in range(BOOKS)]
        app.store(Book).edit_batch([Create(book) for book in books])
