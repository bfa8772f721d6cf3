"""Indexes that CloudFormation adds to tables with items: no query misses an item, before and after the index is completed."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from persisty import App, Attr, Index, ScanNotAllowed, stored
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.table_definitions import definitions, gsi
from persisty.cli import regional_deployment
from persisty.deploy.assembly import PlacedApp
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.index_completion import complete_indexes, doubt_indexes, has_defaulted_indexes
from persisty.deploy.migration import Migration
from persisty.model.meta import meta_of
from persisty.store import index_completeness
from persisty.store.migration import Step

STAGES = count()


class Status(enum.Enum):
    OPEN = "open"
    DONE = "done"


class Owner(enum.Enum):
    OPEN = "open"
    DONE = "done"
    LOST = "lost"


@stored(name="task")
class Former:
    id: str
    owner: str


@stored(name="task", indexes=[Index("status", "rank"), Index("status"), Index("owner", "rank"), Index("owner")])
class Task:
    id: str
    owner: str
    status: Status = Status.OPEN
    rank: int = 3


@stored(name="task", indexes=[Index("owner", "rank")])
class Stricter:
    id: str
    owner: int
    rank: int = 3


@stored(name="task", indexes=[Index("owner")])
class Plain:
    id: str
    owner: str


ROWS = [{"id": f"{number:02}", "owner": "ab"[number % 2]} for number in range(12)]


class Deployed:
    """The tables of one stage, as a deployment leaves them."""

    def __init__(self, url: str) -> None:
        self.url, self.stage = url, f"i{next(STAGES)}"
        self.apps: list[App] = []

    def app(self, item: type[Any], more: str = "") -> App:
        """Return the app in a new process."""
        self.apps.append(App("shop", items=[item], url=self.url + more, stage=self.stage))
        return self.apps[-1]

    def filled(self, *, recorded: bool) -> None:
        """Store items under the former declaration, then add the indexes as CloudFormation does."""
        app = self.app(Former)
        if recorded:
            app.prepare()
        else:
            app.engine.prepare([meta_of(Former)])
        for row in ROWS:
            app.store(Former).create(row)
        self.add_indexes(app, Task)

    def remove_indexes(self, app: App, item: type[Any]) -> None:
        engine: Any = app.engine
        for index in meta_of(item).indexes:
            engine.remove_index("task", index.name)

    def add_indexes(self, app: App, item: type[Any]) -> None:
        engine: Any = app.engine
        meta = meta_of(item)
        for index in meta.indexes:
            update = {
                "TableName": f"shop-{self.stage}-task",
                "AttributeDefinitions": definitions(meta, WireCodec(meta), engine.options),
                "GlobalSecondaryIndexUpdates": [{"Create": gsi(meta, index, engine.options)}],
            }
            engine.transport.call("UpdateTable", update)
            engine._wait(f"shop-{self.stage}-task")


@pytest.fixture(params=["dynamodb-local", "dynamodb-moto"])
def deployed(request: pytest.FixtureRequest) -> Iterator[Deployed]:
    if request.param == "dynamodb-local":
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"
    else:
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
    found = Deployed(url)
    yield found
    for app in found.apps:
        app.close()


T: Any = Task
FILTERS: list[tuple[Any, str, int]] = [
    (T.status == Status.OPEN, "scan", 12),
    ((T.status == Status.OPEN) & (T.rank > 2), "scan", 12),
    ((T.status == Status.OPEN) & (T.rank > 3), "scan", 0),  # an item may lack one of the two
    (T.status == Status.DONE, "index", 0),
    (T.status.oneof([Status.OPEN, Status.DONE]), "scan", 12),
    ((T.owner == "a") & (T.rank == 3), "index", 6),  # Index("owner") has no attribute that an item may lack
    ((T.owner == "a") & (T.rank == 4), "index", 0),
]
"""Filter, its access while the index is incomplete, and the number of its matches."""


@pytest.mark.parametrize("recorded", [True, False])
def test_queries_use_an_index_only_where_it_misses_no_item_until_a_deployment_completes_it(
    deployed: Deployed, recorded: bool
) -> None:
    deployed.filled(recorded=recorded)
    tasks = deployed.app(Task).store(Task)
    for where, access, matches in FILTERS:
        assert tasks.explain(where).access == access, where
        assert (len(list(tasks.search_all(where))), tasks.count(where)) == (matches, matches), where
    ordered = tasks.search(T.owner == "b", order=T.rank, limit=4)
    assert len([*ordered.items, *tasks.search(T.owner == "b", order=T.rank, cursor=ordered.cursor).items]) == 6
    assert "by-status-rank is not used" in " ".join(tasks.explain(T.status == Status.OPEN).detail)
    app = deployed.app(Task)
    steps: list[str] = []
    assert list(complete_indexes(app, lambda step, items: steps.append(step.title))) == []
    assert {title for title in steps if "status" in title}
    again = deployed.app(Task)
    for where, _, matches in FILTERS:
        assert again.store(Task).explain(where).access in ("index", "union"), where
        assert len(list(again.store(Task).search_all(where))) == matches, where
    assert evolutions_of(again) == []
    assert list(complete_indexes(again, lambda step, items: pytest.fail(step.title))) == []


def test_a_running_function_uses_the_index_a_minute_after_it_is_complete(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.filled(recorded=True)
    tasks = deployed.app(Task).store(Task)
    open_ = T.status == Status.OPEN
    assert tasks.explain(open_).access == "scan"
    app = deployed.app(Task)
    app.prepare()
    assert app.store(Task).explain(open_).access == "index"
    assert tasks.explain(open_).access == "scan"
    monkeypatch.setattr(index_completeness, "AGAIN", 0.0)
    tasks = deployed.app(Task).store(Task)
    assert tasks.explain(open_).access == "index"
    assert len(tasks.search(open_).items) == 12


def test_a_large_table_is_not_scanned_instead_and_the_error_names_the_command(deployed: Deployed) -> None:
    deployed.filled(recorded=True)
    tasks = deployed.app(Task, "&max_scan=3").store(Task)
    with pytest.raises(ScanNotAllowed, match="may miss items until `persisty deploy` or `persisty migrate`") as caught:
        tasks.search(T.status == Status.OPEN, order=T.owner)
    assert caught.value.details["index"] == ["status", "rank"]


def test_a_migration_completes_the_indexes_of_a_deployment(deployed: Deployed) -> None:
    deployed.filled(recorded=True)
    app = deployed.app(Task)
    assert {one.kind for each in evolutions_of(app) for one in each.changes} >= {"index_added"}
    Migration(app).apply()
    assert len(deployed.app(Task).store(Task).search(T.status == Status.OPEN).items) == 12
    assert deployed.app(Task).store(Task).explain(T.status == Status.OPEN).access == "index"


class Killed(Exception):
    """Ends a completion as a signal would."""


def test_a_completion_that_is_killed_leaves_the_index_unused_and_is_continued(deployed: Deployed) -> None:
    deployed.filled(recorded=True)

    def killed(step: Step, items: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        list(complete_indexes(deployed.app(Task), killed))
    tasks = deployed.app(Task).store(Task)
    assert tasks.explain(T.status == Status.OPEN).access == "scan"
    assert len(tasks.search(T.status == Status.OPEN).items) == 12
    assert list(complete_indexes(deployed.app(Task), lambda step, items: None)) == []
    assert deployed.app(Task).store(Task).explain(T.status == Status.OPEN).access == "index"


def test_a_store_that_needs_another_change_first_is_named_and_not_changed(deployed: Deployed) -> None:
    deployed.filled(recorded=True)
    app = deployed.app(Stricter)
    [left] = complete_indexes(app, lambda step, items: pytest.fail(step.title))
    assert left.startswith("task needs other changes first (")
    assert "Run `persisty migrate`" in left
    assert evolutions_of(deployed.app(Stricter)) != []


OPEN: Any = T.status == Status.OPEN


def completed(deployed: Deployed) -> None:
    deployed.filled(recorded=True)
    assert list(complete_indexes(deployed.app(Task), lambda step, items: None)) == []
    assert deployed.app(Task).store(Task).explain(OPEN).access == "index"


def rolled_back(deployed: Deployed) -> App:
    """Let the older code of a deployment create an item."""
    app = deployed.app(Former)
    app.store(Former).create({"id": "late", "owner": "a"})
    return app


def assert_unused_then_completed(deployed: Deployed) -> None:
    tasks = deployed.app(Task).store(Task)
    assert tasks.explain(OPEN).access == "scan"
    assert (len(tasks.search(OPEN).items), tasks.count(OPEN)) == (13, 13)
    assert_completed(deployed)


def assert_completed(deployed: Deployed) -> None:
    assert list(complete_indexes(deployed.app(Task), lambda step, items: None)) == []
    tasks = deployed.app(Task).store(Task)
    assert tasks.explain(OPEN).access == "index"
    assert (len(tasks.search(OPEN).items), tasks.count(OPEN)) == (13, 13)
    assert evolutions_of(deployed.app(Task)) == []


@pytest.mark.parametrize("indexes", ["stay", "go and come"])
def test_a_rollback_by_a_deployment_leaves_the_index_unused_until_the_next_one_completes_it(
    deployed: Deployed, indexes: str
) -> None:
    completed(deployed)
    app = deployed.app(Former)
    doubt_indexes(app)
    if indexes != "stay":
        deployed.remove_indexes(app, Task)
    rolled_back(deployed)
    doubt_indexes(deployed.app(Task))
    if indexes != "stay":
        deployed.add_indexes(app, Task)
    assert_unused_then_completed(deployed)


def test_a_deployment_that_builds_an_index_anew_does_not_trust_its_record(deployed: Deployed) -> None:
    completed(deployed)
    app = deployed.app(Former)
    deployed.remove_indexes(app, Task)  # by the CDK alone, which writes no record
    rolled_back(deployed)
    doubt_indexes(deployed.app(Task))
    deployed.add_indexes(app, Task)
    assert_unused_then_completed(deployed)


@pytest.mark.parametrize("command", [complete_indexes, lambda app, progress: Migration(app).apply(progress) and []])
def test_items_that_older_code_wrote_without_a_record_are_found_and_completed(deployed: Deployed, command: Any) -> None:
    completed(deployed)
    rolled_back(deployed)
    assert {one.kind for each in evolutions_of(deployed.app(Task)) for one in each.changes} == {"index_added"}
    assert list(command(deployed.app(Task), lambda step, items: None)) == []
    assert_completed(deployed)


def test_a_start_completes_an_index_that_misses_items_which_older_code_wrote_without_a_record(
    deployed: Deployed,
) -> None:
    completed(deployed)
    rolled_back(deployed)
    deployed.app(Task).prepare()
    assert_completed(deployed)


@pytest.mark.parametrize("start", [App.prepare, App.verify])
def test_older_code_that_starts_leaves_the_index_unused(deployed: Deployed, start: Any) -> None:
    completed(deployed)
    start(deployed.app(Former))
    rolled_back(deployed)
    assert_unused_then_completed(deployed)


@stored(name="task", indexes=[Index("owner")])
class Narrower:
    id: str
    owner: Status


@stored(name="task", indexes=[Index("owner"), Index("rank")])
class Wider:
    id: str
    owner: Owner
    rank: int = 3


R: Any = Wider


def test_older_code_whose_schema_is_not_recorded_leaves_the_index_unused(deployed: Deployed) -> None:
    newer = deployed.app(Wider)
    newer.prepare()
    newer.store(Wider).create({"id": "1", "owner": "open"})
    assert newer.store(Wider).explain(R.rank == 3).access == "index"
    older = deployed.app(Narrower)
    older.prepare()  # a member less: only a scan could find the items that have it, so the record stays
    older.store(Narrower).create({"id": "2", "owner": "open"})
    newer = deployed.app(Wider)
    assert newer.store(Wider).explain(R.rank == 3).access == "scan"
    assert len(newer.store(Wider).search(R.rank == 3).items) == 2
    newer.prepare()
    assert newer.store(Wider).explain(R.rank == 3).access == "index"
    assert len(newer.store(Wider).search(R.rank == 3).items) == 2


def test_an_index_without_defaults_needs_no_completion() -> None:
    assert not has_defaulted_indexes(App("shop", items=[Plain], url="memory://"))
    assert has_defaulted_indexes(App("shop", items=[Task], url="memory://"))


@stored(name="note", indexes=[Index("likes")])
class Note:
    id: str
    likes: int = Attr(default=0)


app = App("completed", items=[Note])


def test_a_deployment_whose_indexes_cannot_be_completed_says_so(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    placed = PlacedApp(f"{__name__}:app", f"c{next(STAGES)}")
    assert regional_deployment.complete(placed, None, None, Console(highlight=False))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    assert not regional_deployment.complete(placed, None, None, Console(highlight=False, width=200))
    assert "completed: Deployed, but its indexes are not completed" in capsys.readouterr().out
