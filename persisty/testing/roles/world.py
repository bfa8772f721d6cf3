"""The rows of the suite, and an app that stores them in the engine under test.

Each surface has its own copy of every row, so that writes of one surface do not affect another. A test that writes compares everything
that is stored afterwards, and restores it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from persisty import App, Store
from persisty.store.backend import Delete, Engine, Patch, Put, Write
from persisty.store.store import context_of

from .items import ITEMS
from .oracle import DEFAULTS, KINDS, Row, World, attributes


class StagedApp(App):
    """An app with the items of the suite, over a given engine."""

    def __init__(self, opening: Callable[[], Engine], actions: tuple[Any, ...] = ()) -> None:
        super().__init__("roles", items=ITEMS, actions=actions, url="memory://", stage="dev")
        self._engines.connect = lambda url, **_: opening()


def copy_of_rows(copy: str) -> World:
    """Return one copy of all rows. Their keys begin with its name."""

    def at(name: str) -> str:
        return f"{copy}-{name}"

    def keyed(kind: str, **rows: Row) -> dict[str, Row]:
        return {at(name): {"id": at(name), **DEFAULTS[kind], **row} for name, row in rows.items()}

    def profile(owner: str, score: int, realm: str) -> Row:
        return {"owner_id": owner, "text": f"a profile of {owner}", "email": f"{owner}@example.com", "score": score,
                "digest": f"digest-of-{owner}", "badge": at(owner), "realm": realm}  # fmt: skip

    def article(owner: str, reviewer: str, rank: int, published: bool) -> Row:
        return {"owner_id": owner, "text": f"an article by {owner}", "rank": rank, "published": published,
                "profile_id": at(owner), "reviewer_id": at(reviewer)}  # fmt: skip

    def comment(owner: str, on: str) -> Row:
        return {"owner_id": owner, "article_id": at(on), "text": f"{owner} on {on}"}

    def enrolment(owner: str, profile_: str, team: str) -> Row:
        return {"owner_id": owner, "profile_id": at(profile_), "team_id": at(team)}

    return {
        "profile": keyed("profile", ann=profile("ann", 7, "east"), bob=profile("bob", 3, "west")),
        "diary": keyed(
            "diary",
            anns={"owner_id": "ann", "text": "dear diary", "rank": 1, "profile_id": at("ann")},
            bobs={"owner_id": "bob", "text": "dear diary", "rank": 2, "profile_id": at("bob")},
        ),
        "ledger": keyed(
            "ledger",
            red={"tenant": "red", "code": at("1"), "text": "books", "amount": 10},
            blue={"tenant": "blue", "code": at("2"), "text": "books", "amount": 20},
        ),
        "article": keyed(
            "article",
            ann1=article("ann", "bob", 1, True),
            ann2=article("ann", "bob", 2, False),
            bob1=article("bob", "ann", 3, True),
            bob2=article("bob", "ann", 4, False),
        ),
        "comment": keyed(
            "comment",
            c1=comment("bob", "ann1"),
            c2=comment("ann", "ann2"),
            c3=comment("ann", "bob1"),
            c4=comment("bob", "ann2"),
            c5=comment("bob", "bob2"),
        ),
        "vault": keyed("vault", v1={"text": "gold", "profile_id": at("ann")}),
        "notice": keyed("notice", n1={"text": "hear", "rank": 1, "diary_id": at("anns")}, n2={"text": "hear", "rank": 2}),
        "team": keyed("team", red={"tenant": "red", "text": "reds"}, blue={"tenant": "blue", "text": "blues"}),
        "enrolment": keyed(
            "enrolment",
            e1=enrolment("ann", "ann", "red"),
            e2=enrolment("bob", "bob", "blue"),
            e3=enrolment("max", "ann", "red"),
            e4=enrolment("max", "bob", "red"),
            e5=enrolment("bob", "ann", "blue"),
        ),
    }  # fmt: skip


def world_of(*copies: str) -> World:
    """Return all rows of some copies."""
    found: World = {kind: {} for kind in KINDS}
    for copy in copies:
        for kind, rows in copy_of_rows(copy).items():
            found[kind].update(rows)
    return found


class Stage:
    """A world in an engine, with its app."""

    def __init__(self, opening: Callable[[], Engine], world: World, app: StagedApp | None = None) -> None:
        self.app = app or StagedApp(opening)
        self.app.prepare()
        self.world: World = {kind: {} for kind in KINDS}
        self.become(world)

    def store(self, kind: str) -> Store[Any]:
        return self.app.store(kind)

    def become(self, world: World) -> None:
        """Store this world instead, with the fewest writes. `self.world` must equal what is stored."""
        for kind in KINDS:
            before, after = self.world[kind], world[kind]
            deleted = [key for key in before if key not in after]
            meta = self.store(kind).meta
            # delete first, to free unique values; change the other rows in place, for engines whose order is that of the creates
            writes: list[Write] = [Delete((key,)) for key in deleted]
            writes += [
                Patch((key,), _changed(before[key], row)) for key, row in after.items() if before.get(key, row) != row
            ]
            writes += [Put(meta.item(**row)) for key, row in after.items() if key not in before]
            for start in range(0, len(writes), 100):
                context_of(self.store(kind)).backend.write(writes[start : start + 100], atomic=False)
        self.world = deepcopy(world)

    def stored(self, kinds: tuple[str, ...] = KINDS) -> World:
        """Return the stored rows as trusted code sees them."""
        return {kind: {row["id"]: row for row in map(_row(kind), self._all(kind))} for kind in kinds}

    def _all(self, kind: str) -> Any:
        return self.store(kind).search_all(allow_scan=True)

    def close(self) -> None:
        self.app.close()

    def settle(self, kinds: tuple[str, ...] = KINDS) -> World:
        """Return the stored rows of these kinds, and restore the rows from before."""
        found = self.stored(kinds)
        before, self.world = self.world, {**self.world, **found}
        self.become(before)
        return found


def _changed(before: Row, after: Row) -> Row:
    return {name: value for name, value in after.items() if before[name] != value}


def _row(kind: str) -> Callable[[Any], Row]:
    names = attributes(kind)
    return lambda item: {name: getattr(item, name) for name in names}


def differences(found: World, expected: World) -> dict[str, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """Return place → (stored row, expected row)."""
    return {
        f"{kind}/{key}": (found[kind].get(key), expected[kind].get(key))
        for kind in found
        for key in sorted(found[kind].keys() | expected[kind].keys())
        if found[kind].get(key) != expected[kind].get(key)
    }
