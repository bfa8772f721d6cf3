"""A program that sends and receives a value of every type. It is type checked, and run as `python use_museum.py URL TOKEN`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from museum_client import (
    UNSET,
    ComplaintPartial,
    ExhibitCreate,
    Frame,
    MuseumClient,
    Odd,
    Oil,
    Page,
    Page2,
    Part,
    Size,
    Spot,
    Stone,
)

ID = UUID("00000000-0000-4000-8000-000000000001")
AT = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
EVERY: ExhibitCreate = {
    "id": "a/b?c",
    "text": "ü",
    "list": [1, 2],
    "uuid": ID,
    "str": False,
    "whole": None,
    "big": 2**63 - 1,
    "real": 0.1,
    "decimal": Decimal("0.00000000000000000000000000000000000001"),
    "datetime": AT,
    "date": AT.date(),
    "bytes": b"\x00\xfe",
    "floor": -1,
    "mood": 'lo"ud',
    "level": None,
    "step": 3,
    "opens": time(9, 30),
    "lasts": timedelta(minutes=90),
    "made": Oil(brushWidth=2.5),
    "spot": Spot(x=1),
    "size": Size(width=1, height=2),
    "frame": Frame(gold=True),
    "whole_of": Part(name="a", parts=[Part(name="b")]),
    "odd": Odd(kind_of="odd", from_=3),
    "pair": (1, "x"),
    "marks": ["m"],
    "by_name": {"a": 1},
    "by_id": {ID: Spot(x=1, y=2)},
    "anything": {"deep": [1, None]},
}


def every_type(client: MuseumClient) -> None:
    made = client.exhibit.create(EVERY)
    read = client.exhibit.read("a/b?c")
    assert read == made
    assert [*client.exhibit.export()] == [*client.exhibit.search_all()] == [made]
    for name, value in EVERY.items():
        assert getattr(made, name) == value, (name, getattr(made, name))
    frame = made.frame
    assert frame is not None
    assert frame.wood is UNSET
    assert made.spot == Spot(x=1, y=0)
    again = client.exhibit.update("a/b?c", {"made": Stone(weight=3), "odd": made.odd, "frame": None})
    assert again is not None
    assert again.made == Stone(weight=3)
    assert (again.odd, again.frame) == (made.odd, None)


def every_filter(client: MuseumClient) -> None:
    count = client.exhibit.count
    assert count({"uuid": {"eq": ID}, "str": {"eq": False}, "big": {"ge": 2**63 - 1}, "real": {"lt": 0.2}}) == 1
    assert count({"decimal": {"lt": Decimal("0.1")}, "datetime": {"oneof": [AT]}, "date": {"eq": AT.date()}}) == 1
    assert count({"bytes": {"eq": b"\x00\xfe"}, "floor": {"oneof": [-1]}, "mood": {"ne": "calm"}}) == 1
    assert count({"whole": {"null": True}, "odd": {"kind-of": {"eq": "odd"}, "from": {"gt": 2}}}) == 1
    assert count({"whole_of": {"name": {"contains": "A"}}}) == 0


def names(client: MuseumClient) -> None:
    page = client.page.create({"title": "one"})
    assert isinstance(page, Page2)
    key = (date(2026, 1, 31), AT, "a~b")
    visit = client.actions_.create({"day": key[0], "at": AT, "hall": "a~b"})
    assert client.actions_.read(key) == visit
    assert client.actions_.read_batch([key]) == [visit]
    both = client.edit_batch(
        [
            {"complaint": {"create": {"text": "too bright"}}},
            {"actions": {"delete": {"key": key}}},
        ]
    )
    assert [one.code for one in both] == ["ok", "ok"]
    assert [type(one.item) for one in both] == [ComplaintPartial, type(None)]
    assert client.actions_.edit_batch([{"delete": {"key": key}}])[0].code == "not_found"
    assert client.class_.search().items == []
    told = client.complaint.create({"text": "too dark"})
    assert isinstance(told.id, UUID)
    assert told.text is UNSET


def actions(client: MuseumClient) -> None:
    found = client.actions.look(words="w", since=AT)
    assert isinstance(found.pages, Page)
    assert [one.title for one in found.pages.items] == ["one"]
    assert found.parts == {"w": [Part(name="a", parts=[Part(name="b")])]}
    assert client.actions.gather(ids=[]) == [[], None, [], None, None, "", "0"]
    day, price = date(2026, 1, 31), Decimal("0.29999999999999998")
    assert client.actions.gather(
        ids=[3, 1],
        days=[day, day],
        moods=["calm", 'lo"ud'],
        place=Spot(x=1),
        parts=[Part(name="a&b")],
        from_="ä,b",
        exact=price,
    ) == [[3, 1], [str(day)] * 2, ["calm", 'lo"ud'], [1, 0], [{"name": "a&b", "parts": []}], "ä,b", str(price)]
    made = client.actions.rearrange(made=[Oil(coats=["c"]), Stone(weight=1)], where={"a": Spot(x=1)})
    assert made == [Stone(weight=1), Oil(coats=["c"])]
    client.actions.close()


def wrong(client: MuseumClient) -> None:
    """Never called."""
    client.complaint.read("key")  # type: ignore[attr-defined]
    client.complaint.search()  # type: ignore[attr-defined]
    client.class_.create({})  # type: ignore[attr-defined]
    _ = client.secret  # type: ignore[attr-defined]
    client.actions.rearrange(made=[], where=[])  # type: ignore[arg-type]


if __name__ == "__main__":
    with MuseumClient(sys.argv[1], token=sys.argv[2]) as museum:
        every_type(museum)
        every_filter(museum)
        names(museum)
        actions(museum)
    print("done")
