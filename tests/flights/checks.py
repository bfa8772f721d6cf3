"""Checks of an import, for every engine."""

from __future__ import annotations

import enum
from typing import Any

from persisty import Store

from . import plain
from .conftest import Files, Import
from .questions import Question

PAGE = 97
"""A page size with which many results have several pages, the last of them short."""


def plain_row(store: Store[Any], item: Any) -> plain.PlainRow:
    values = {name: getattr(item, name) for name in store.meta.attributes}
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in values.items()}


def check_rejections(done: Import, store: str, files: Files) -> None:
    """Check that every line of the file is imported or rejected, and that rejected lines list all of their faults."""
    wrong = {line: faults for line, row in enumerate(files.rows[store], 1) if (faults := plain.faults(store, row))}
    read = (files.folder / f"{store}s.dat").read_bytes().count(b"\n")
    assert done.code == (1 if wrong else 0), done.errors
    assert (done.count("read"), done.count("rejected")) == (read, len(wrong))
    assert done.count("imported") == len(files.right[store]) == read - len(wrong)
    assert {row["line"]: {fault["path"] for fault in row["faults"]} for row in done.rejected} == wrong
    assert [row["line"] for row in done.rejected] == sorted(wrong)
    assert {row["code"] for row in done.rejected} <= {"invalid_input"}
    assert all(fault["message"] for row in done.rejected for fault in row["faults"])


def check_all_are_stored(store: Store[Any], files: Files) -> None:
    """Check that the store contains exactly the valid rows of its file."""
    key = store.meta.key.attributes
    right = {tuple(row[name] for name in key): row for row in files.right[store.meta.name]}
    found = [plain_row(store, item) for item in store.search_all()]
    assert store.count() == len(found) == len(right)
    assert [row for row in found if row != right[tuple(row[name] for name in key)]] == []


def check_question(store: Store[Any], question: Question, rows: list[plain.PlainRow], *, size: int) -> None:
    """Check that a search returns the rows of plain Python in order: the first page, pages of this size, and the count."""
    expected = plain.ordered(filter(question.matches, rows), *question.order)
    order = list(question.order)
    assert bool(expected) is not question.empty
    if question.top:
        found = store.search(question.where, order=order, limit=question.top)
        assert [plain_row(store, item) for item in found] == expected[: question.top]
        return
    assert store.count(question.where) == len(expected)
    pages: list[list[plain.PlainRow]] = []
    cursor = None
    while not pages or cursor:
        page = store.search(question.where, order=order, limit=size, cursor=cursor)
        pages.append([plain_row(store, item) for item in page])
        cursor = page.cursor
    assert [row for page in pages for row in page] == expected
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
