"""SQLite's plans of filters through links whose foreign key has no index."""

from __future__ import annotations

from persisty import App, Attr, BelongsTo, Create, HasMany, link, stored


@stored
class Writer:
    id: Attr[str]
    works: HasMany[Work] = link()


@stored
class Work:
    id: Attr[str]
    writer_id: Attr[str | None] = Attr(default=None)
    writer: BelongsTo[Writer] = link()
    title: Attr[str] = Attr(default="")


def test_a_table_without_an_index_of_the_foreign_key_is_read_once_and_not_for_each_row() -> None:
    app = App("plans", items=[Writer, Work], url="sqlite://")
    app.prepare()
    writers, works = app.store(Writer), app.store(Work)
    writers.edit_batch([Create(Writer(id=f"w{number}")) for number in range(5)])
    works.edit_batch(
        [Create(Work(id=f"k{number}", writer_id=f"w{number % 3}", title=f"t{number}")) for number in range(9)]
    )
    works.create(Work(id="none", title="t1"))
    where = Writer.works.any(Work.title == "t1")
    assert not any("CORRELATED" in line for line in writers.explain(where).detail)
    assert [one.id for one in writers.search(where)] == ["w1"]
    assert [one.id for one in writers.search(~where)] == ["w0", "w2", "w3", "w4"]
    assert [one.id for one in writers.search(~Writer.works.any())] == ["w3", "w4"]
