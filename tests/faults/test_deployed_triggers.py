"""Triggers by the deployed code, in a process with its own layers alone: after triggers by records of DynamoDB Local's real streams, before triggers by requests.

1,000 writes while the process is killed ten times: every event is handled at least once, and the events of each key in order.
"""

from __future__ import annotations

import importlib
import itertools
import json
import random
import shutil
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from types import ModuleType
from typing import Any

import pytest

from persisty import App
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Function, Plan, StreamFunction
from persisty.naming import table_name
from persisty.settings import VARIABLES
from tests.e2e.lambda_process import LambdaProcess, running

from .queue_server import queue_server
from .stream_poller import CREDENTIALS, Poller, unpacked

SPEC = "parcels:app"
SOURCE = Path(__file__).parents[1] / "parcels.py"
WRITES, KEYS, KILLS = 1_000, 25, 10
_stages = itertools.count(1)


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module of the app in a folder of its own, as a project would have it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(SOURCE, folder / "parcels.py")
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.syspath_prepend(folder)
        yield importlib.import_module("parcels")
    sys.modules.pop("parcels", None)


@pytest.fixture(scope="module")
def plan(parcels: ModuleType) -> Plan:
    return plan_of(parcels.app, SPEC)


@pytest.fixture(scope="module")
def code(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(plan, SPEC, plan.after[0].function.layers, tmp_path_factory.mktemp("function"))


@pytest.fixture(scope="module", params=["rest", "appsync"])
def api(request: pytest.FixtureRequest, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Function, Path]:
    """A function of an API, and its code."""
    function = next(one for one in plan.functions if one.name == request.param)
    return function, unpacked(plan, SPEC, function.layers, tmp_path_factory.mktemp(function.name))


class Place:
    """The app in a stage of its own in DynamoDB Local, and what its handlers have written."""

    def __init__(self, module: ModuleType, plan: Plan, endpoint: str, code: Path, folder: Path) -> None:
        self.module, self.app = module, module.app
        self.app.stage = f"stage-{next(_stages)}"
        self.app.use(f"dynamodb://us-east-1?endpoint={endpoint}&index_attributes=2")
        self.app.prepare()
        self.after: dict[str, StreamFunction] = {one.store: one for one in plan.after}
        for store in self.after:
            settings = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
            self.app.engine.alter(store, settings)
        self._endpoint, self._code, self._log = endpoint, code, folder / "handled"
        self._folder = folder

    def variables(self, function: Function) -> dict[str, str]:
        return {
            **function.environment,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_DYNAMODB": self._endpoint,
            "PERSISTY_URL": f"dynamodb://us-east-1?endpoint={self._endpoint}",
            "PERSISTY_STAGE": self.app.stage,
            "EVENTS": str(self._log),
        }

    def poller(self, store: str, queue: str, **options: Any) -> Poller:
        function = self.after[store].function
        folder = self._folder / store
        folder.mkdir(exist_ok=True)
        for name in ("task", "opt"):
            if not (folder / name).exists():
                (folder / name).symlink_to(self._code / name)
        variables = {**self.variables(function), "PERSISTY_DEAD_LETTERS_URL": queue}
        table = table_name(self.app.name, self.app.stage, store)
        return Poller(self._endpoint, table, folder, variables, self.after[store].patterns, **options)

    @property
    def handled(self) -> list[tuple[str, str, int]]:
        """(kind, key, number) of the events in the order of their handling."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(kind, key, int(number)) for kind, key, number, _ in map(str.split, lines)]

    @property
    def ids(self) -> Counter[str]:
        """How often each event was handled."""
        return Counter(line.rpartition(" ")[2] for line in self._log.read_text().splitlines())


@pytest.fixture
def place(parcels: ModuleType, plan: Plan, local_endpoint: str, code: Path, tmp_path: Path) -> Iterator[Place]:
    found = Place(parcels, plan, local_endpoint, code, tmp_path)
    yield found
    found.app.close()


def write(app: App, item: Any, keys: list[str], count: int) -> None:
    store = app.store(item)
    for number in range(count):
        for key in keys:
            if number:
                store.update(key, {"number": number})
            else:
                store.create(item(id=key))
            sleep(0.001)


def test_killed_functions_lose_no_event_and_keep_the_order(place: Place) -> None:
    chosen = random.Random(7)
    keys = [f"k{number}" for number in range(KEYS)]
    writers = [
        threading.Thread(target=write, args=(place.app, place.module.Parcel, keys[half::2], WRITES // KEYS))
        for half in (0, 1)
    ]
    with queue_server() as (queue, letters), place.poller("parcel", queue, batch=50) as poller:
        for one in writers:
            one.start()
        for _ in range(KILLS):
            sleep(chosen.uniform(0.2, 0.8))
            poller.kill()
        for one in writers:
            one.join()
        assert poller.drain()
        assert poller.ended > 1
    assert letters == []
    handled: dict[str, list[int]] = defaultdict(list)
    for _, key, number in place.handled:
        handled[key].append(number)
    assert sorted(handled) == sorted(keys)
    for key, numbers in handled.items():
        first = list(dict.fromkeys(numbers))
        assert first == list(range(WRITES // KEYS)), f"{key} is complete and in order, repetitions apart"
        for before, after in itertools.pairwise(numbers):
            assert after == before + 1 or after <= before, "a repetition goes on from an earlier event"
    assert len(place.ids) == WRITES, "an event has the same id at each delivery"


def test_an_event_that_ends_the_process_or_fails_holds_up_no_other_and_is_not_lost(place: Place) -> None:
    store, item = place.app.store(place.module.Parcel), place.module.Parcel
    for number in range(20):
        store.create(item(id=f"good {number}".replace(" ", "-")))
    store.create(item(id="deadly", text="kill"))
    store.create(item(id="bad", text="bad"))
    store.update("bad", {"text": "good", "number": 1})
    with queue_server() as (queue, letters), place.poller("parcel", queue) as poller:
        assert poller.drain(90)
        assert poller.ended == 1
        handled = place.handled
        assert {key for _, key, _ in handled} == {*(f"good-{number}" for number in range(20)), "deadly", "bad"}
        assert [one for one in handled if one[1] == "bad"] == [("updated", "bad", 1)]
        [letter] = letters
        assert (letter["store"], letter["kind"], letter["key"], letter["actions"]) == (
            "parcel", "created", "bad", ["record"],
        )  # fmt: skip
        assert letter["reason"].endswith("ValueError: it is bad\n")
        assert letter["record"]["dynamodb"]["NewImage"]["text"] == {"S": "bad"}


def test_a_handler_writes_with_the_engine_of_the_function_and_other_triggers_follow(place: Place) -> None:
    store, status = place.app.store(place.module.Parcel), place.module.Status
    for key in ("a", "b"):
        store.create(place.module.Parcel(id=key))
    store.update("a", {"status": status.SENT})
    store.update("b", {"number": 7})
    store.delete("b")
    with queue_server() as (queue, letters), place.poller("parcel", queue) as poller:
        assert poller.drain()
    assert [one.id for one in place.app.store(place.module.Receipt).search()] == ["a"]
    assert [kind for kind, key, _ in place.handled if key == "b"] == ["created", "updated", "deleted"]
    assert letters == []


def test_filters_keep_the_function_from_being_invoked(place: Place) -> None:
    receipts = place.app.store(place.module.Receipt)
    for number in range(999):
        receipts.create(place.module.Receipt(id=f"r{number}"))
    receipts.create(place.module.Receipt(id="special"))
    with queue_server() as (queue, _), place.poller("receipt", queue, batch=1) as poller:
        assert poller.drain(120)
        assert (poller.delivered, poller.invocations) == (1, 1)


class Api:
    """Creates parcels through the deployed code of an API."""

    def __init__(self, name: str, process: LambdaProcess) -> None:
        self._name, self._process = name, process

    def create(self, **parcel: Any) -> tuple[dict[str, Any] | None, str | None]:
        """Return the new item, or the code of the error."""
        if self._name == "appsync":
            event = {
                "fieldName": "parcelCreate",
                "parentTypeName": "Mutation",
                "arguments": {"item": parcel},
                "selectionSetList": ["id", "number"],
                "selectionSetGraphQL": "{ id number }",
                "identity": None,
            }
            answer = self._process.invoke(event)
            return (None, answer["error"]["code"]) if "error" in answer else (answer["data"], None)
        answer = self._process.invoke(
            {
                "version": "2.0",
                "routeKey": "ANY /api/{proxy+}",
                "rawPath": "/api/parcel",
                "rawQueryString": "",
                "headers": {"content-type": "application/json"},
                "pathParameters": {"proxy": "parcel"},
                "requestContext": {"http": {"method": "POST", "path": "/api/parcel"}, "stage": "$default"},
                "body": json.dumps(parcel),
                "isBase64Encoded": False,
            }
        )
        body = json.loads(answer["body"])
        return (body, None) if answer["statusCode"] == 201 else (None, body["code"])


def test_before_triggers_refuse_and_change_what_the_deployed_apis_write(
    place: Place, api: tuple[Function, Path]
) -> None:
    function, folder = api
    place.app.store(place.module.Label).create(place.module.Label(id="labelled"))
    with running(folder, function.handler, place.variables(function)) as process:
        made = Api(function.name, process)
        assert made.create(id="refused", text="no") == (None, "forbidden")
        plain, labelled = made.create(id="plain")[0], made.create(id="labelled")[0]
    assert plain is not None
    assert labelled is not None
    assert (plain["number"], labelled["number"]) == (0, 7)
    stored = {one.id: one.number for one in place.app.store(place.module.Parcel).search()}
    assert stored == {"plain": 0, "labelled": 7}
