"""Random calls of the model and of the stores of an engine. Both return results in the same plain form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from msgspec import structs

from persisty import Create, Delete, Filter, PersistyError, Store, Update, add, meta_of
from persisty.store.backend import Capabilities
from persisty.store.context import StoreContext
from persisty.store.multi_store_batch import edit_stores
from persisty.store.store import context_of

from .items import ITEMS, Folder, Page, Pin, Tag
from .model import LINKS, Add, Edit, Model, Row, Tables, Test

CLASSES: dict[str, Any] = {meta_of(item).name: item for item in ITEMS}
KEYS: dict[str, tuple[str, ...]] = {name: tuple(f"{name[:2]}{number}" for number in range(6)) for name in CLASSES}
Stores = dict[str, Store[Any]]
Condition = tuple[Filter, Test]


def _linked(tables: Tables, store: str, key: Any) -> Row:
    return tables[store].get(key, {})


def conditions(random: Random, store: str) -> Condition:
    """Return a filter of the item, and its meaning."""
    size = random.randrange(4)
    item = CLASSES[store]
    plain: list[Condition] = [
        (item.size > size, lambda _, row: row["size"] > size),
        (item.size == size, lambda _, row: row["size"] == size),
        (~(item.size <= size), lambda _, row: row["size"] > size),
    ]
    behind: dict[str, list[Condition]] = {
        "folder": [
            (Folder.parent.size > size, lambda t, row: _linked(t, "folder", row["parent_id"]).get("size", -9) > size),
            (
                Folder.pages.any(Page.size > size),
                lambda t, row: any(p["folder_id"] == row["id"] and p["size"] > size for p in t["page"].values()),
            ),
            (Folder.code == None, lambda _, row: row["code"] is None),  # noqa: E711
        ],
        "page": [
            (Page.reply.size > size, lambda t, row: _linked(t, "page", row["reply_id"]).get("size", -9) > size),
            (Page.folder.size == size, lambda t, row: _linked(t, "folder", row["folder_id"]).get("size") == size),
            (
                ~Page.tags.any(Tag.size > size),
                lambda t, row: not any(x["page_id"] == row["id"] and x["size"] > size for x in t["tag"].values()),
            ),
            (
                Page.folder.parent.size > size,
                lambda t, row: _linked(
                    t, "folder", _linked(t, "folder", row["folder_id"]).get("parent_id")
                ).get("size", -9) > size,
            ),
        ],
        "tag": [(Tag.page.size >= size, lambda t, row: _linked(t, "page", row["page_id"]).get("size", -9) >= size)],
        "pin": [(Pin.folder.size >= size, lambda t, row: _linked(t, "folder", row["folder_id"]).get("size", -9) >= size)],
    }  # fmt: skip
    return random.choice([*plain, *behind[store]])


class Call:
    """A call: its text, the call of the model, and the call of the stores."""

    def __init__(self, text: str, by_model: Callable[[Model], Any], by_stores: Callable[[Stores], Any]) -> None:
        self.text, self.by_model, self.by_stores = text, by_model, by_stores


def values_of(random: Random, store: str, *, new: bool) -> Row:
    values: Row = {}
    for attribute, target, _ in LINKS[store]:
        if random.random() < 0.6:
            values[attribute] = random.choice([None, *KEYS[target], *KEYS[target]])
    if random.random() < 0.6:
        values["size"] = random.randrange(5) if new or random.random() < 0.6 else Add(random.randrange(3))
    if store == "folder" and random.random() < 0.6:
        values["code"] = random.choice([None, 1, 2, 3, 4])
    return values


def shown(values: Row) -> str:
    return ", ".join(f"{k}={'+' + str(v.amount) if isinstance(v, Add) else v}" for k, v in values.items())


def given(values: Row) -> Row:
    return {name: add(one.amount) if isinstance(one, Add) else one for name, one in values.items()}


def random_edit(random: Random, store: str, key: str) -> tuple[Edit, Any, str]:
    """Return an edit for the model, the same for a store, and its text."""
    item = CLASSES[store]
    kind = random.choices(["create", "update", "delete"], [5, 3, 2])[0]
    if kind == "create":
        values = values_of(random, store, new=True)
        return Edit(kind, store, key, values), Create(item(id=key, **values)), f"create({key}: {shown(values)})"
    where, test = conditions(random, store) if random.random() < 0.4 else (None, None)
    when = "" if where is None else f" when {where}"
    if kind == "update":
        values = values_of(random, store, new=False)
        edit = Update(key, given(values), where, item)
        return Edit(kind, store, key, values, test), edit, f"update({key}: {shown(values)}{when})"
    return Edit(kind, store, key, None, test), Delete(key, where, item), f"delete({key}{when})"


def plain(item: Any) -> Row:
    return structs.asdict(item)


def coded(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except PersistyError as error:
        return error.code


def state(stores: Stores) -> Tables:
    return {name: {one.id: plain(one) for one in store.search_all(allow_scan=True)} for name, store in stores.items()}


def edit(random: Random, capabilities: Capabilities) -> Call:
    """One edit by its verb."""
    store = random.choice(list(CLASSES))
    of_model, of_store, text = random_edit(random, store, random.choice(KEYS[store]))

    def run(stores: Stores) -> str:
        here = stores[store]
        if isinstance(of_store, Create):
            here.create(of_store.item)
            return "ok"
        if isinstance(of_store, Update):
            return "not_found" if here.update(of_store.key, of_store.changes, when=of_store.when) is None else "ok"
        return "ok" if here.delete(of_store.key, when=of_store.when) else "not_found"

    return Call(text, lambda model: model.edit(of_model), lambda stores: coded(lambda: run(stores)))


def batch(random: Random, capabilities: Capabilities) -> Call:
    """A batch of one store or of several, atomic or not."""
    atomic, mixed = random.random() < 0.5, random.random() < 0.4
    names = list(CLASSES) if mixed else [random.choice(list(CLASSES))]
    places = [(name, key) for name in names for key in KEYS[name]]
    size = random.randint(1, 7)
    chosen = random.sample(places, min(size, len(places))) if atomic else random.choices(places, k=size)
    edits = [random_edit(random, *place) for place in chosen]
    text = f"{'atomic ' if atomic else ''}batch[{'; '.join(one[2] for one in edits)}]"
    released = any(one.kind == "delete" and one.store in ("folder", "page") for one, _, _ in edits)
    refused = atomic and released and not capabilities.transactions

    def expected(model: Model) -> Any:
        return "unsupported" if refused else model.batch([one for one, _, _ in edits], atomic=atomic)

    def run(stores: Stores) -> Any:
        def context(named: Any) -> StoreContext[Any]:
            return context_of(stores[named if isinstance(named, str) else meta_of(named).name])

        asked = [one for _, one, _ in edits]
        if mixed:
            return [one.code for one in edit_stores(context, asked, atomic=atomic)]
        return [one.code for one in stores[names[0]].edit_batch(asked, atomic=atomic)]

    return Call(text, expected, lambda stores: coded(lambda: run(stores)))


def bulk(random: Random, capabilities: Capabilities) -> Call:
    """`update_all` or `delete_all`."""
    store = random.choice(list(CLASSES))
    where, test = conditions(random, store)
    if random.random() < 0.7:
        values = {"size": random.choice([Add(1), random.randrange(4)])}
        return Call(
            f"{store}.update_all({shown(values)} where {where})",
            lambda model: model.update_all(store, values, test),
            lambda stores: coded(lambda: stores[store].update_all(given(values), where, allow_scan=True).changed),
        )

    def expected(model: Model) -> Any:
        keys = [row["id"] for row in model.matches(store, test)]
        code = model.delete(store, keys)
        return code if code != "ok" else "ok"

    def run(stores: Stores) -> str:
        stores[store].delete_all(where, allow_scan=True)
        return "ok"

    return Call(f"{store}.delete_all({where})", expected, lambda stores: coded(lambda: run(stores)))


def search(random: Random, capabilities: Capabilities) -> Call:
    """A search in pages, its count, and its groups."""
    store = random.choice(list(CLASSES))
    where, test = conditions(random, store)
    descending, limit = random.random() < 0.5, random.randint(1, 4)

    def expected(model: Model) -> Any:
        rows = model.matches(store, test)
        rows.sort(key=lambda row: -row["size"] if descending else row["size"])
        groups: dict[int, int] = {}
        for row in sorted(rows, key=lambda row: row["size"]):
            groups[row["size"]] = groups.get(row["size"], 0) + 1
        return [row["id"] for row in rows], len(rows), groups

    def run(stores: Stores) -> Any:
        here, cursor, found = stores[store], None, []
        order = "-size" if descending else "size"
        while True:
            page = here.search(where, order=order, limit=limit, cursor=cursor, allow_scan=True)
            found += [one.id for one in page.items]
            cursor = page.cursor
            if cursor is None:
                return found, here.count(where, allow_scan=True), here.count_by("size", where, allow_scan=True)

    return Call(f"{store}.search({where}, {'-' * descending}size)", expected, lambda stores: coded(lambda: run(stores)))


def related(random: Random, capabilities: Capabilities) -> Call:
    """The items of a link to many, for all items of a store."""
    store, link, target, attribute = random.choice(
        [("folder", "pages", "page", "folder_id"), ("page", "tags", "tag", "page_id")]
    )

    def expected(model: Model) -> Any:
        return [
            [one["id"] for one in model.matches(target, lambda _, other, row=row: other[attribute] == row["id"])]
            for row in model.matches(store, None)
        ]

    def run(stores: Stores) -> Any:
        items = stores[store].search(order="id", limit=100, allow_scan=True).items
        return [[one.id for one in page.items] for page in stores[store].related(link, items, order="id")]

    return Call(f"{store}.{link}", expected, lambda stores: coded(lambda: run(stores)))


MAKERS: Sequence[tuple[Callable[[Random, Capabilities], Call], int]] = (
    (edit, 8), (batch, 6), (bulk, 2), (search, 2), (related, 1),
)  # fmt: skip
"""Functions that make a call, and their weights."""


def random_call(random: Random, capabilities: Capabilities) -> Call:
    makers, weights = zip(*MAKERS, strict=True)
    call: Call = random.choices(makers, weights)[0](random, capabilities)
    return call
