"""`persisty.testing`: a fixture of one line for an app on moto, the same object that the app's own modules use."""

from __future__ import annotations

from typing import Any

import pytest

from examples.messenger.app import Message, User
from examples.messenger.app import app as messenger
from examples.messenger.seeds import seed
from persisty import App, Conflict, InvalidDeclaration
from persisty.backends.dynamodb.backend import DynamoDbBackend
from persisty.store.store import context_of
from persisty.testing import app_fixture

pytest_plugins = ["pytester"]

app = app_fixture("examples.messenger.app:app")
seeded = app_fixture(messenger, seed=seed)
seeded_by_name = app_fixture(messenger, seed="examples.messenger.seeds:seed")
BEFORE = messenger.url


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_starts_with_empty_stores_on_dynamodb(app: App, turn: str) -> None:
    assert app is messenger
    users = app.store(User)
    assert isinstance(context_of(users).backend, DynamoDbBackend)
    assert users.count() == 0
    ann = users.create({"username": "ann"})
    assert users.search(User.username == "ann").items == [ann]
    with pytest.raises(Conflict):
        users.create(ann)


def test_seeds_are_stored_before_the_test(seeded: App) -> None:
    assert seeded.store(Message).count() > 0


def test_seeds_may_be_given_by_name(seeded_by_name: App) -> None:
    assert seeded_by_name.store(Message).count() > 0


def test_afterwards_the_app_uses_its_former_engine_again() -> None:
    assert messenger.url == BEFORE


def test_variables_of_a_developers_shell_do_not_redirect_the_tests(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:1")
    monkeypatch.setenv("AWS_PROFILE", "production")
    found: App = request.getfixturevalue("app")
    assert found.store(User).count() == 0


def test_one_line_in_a_conftest_is_enough(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from persisty.testing import app_fixture\napp = app_fixture('shop:shop')",
    )
    pytester.makepyfile(
        shop=(
            "from persisty import App, stored\n"
            "@stored\nclass Order:\n    id: str\n    total: int\n"
            "shop = App('shop', items=[Order])\n"
        ),
        test_shop=(
            "from shop import Order, shop\n"
            "def test_one(app):\n    shop.store(Order).create({'id': '1', 'total': 5})\n"
            "def test_two(app):\n    assert app.store(Order).read('1') is None\n"
        ),
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


TIMED = """
from persisty import AfterCreate, App, Cron, Queue, nobody, stored
from servey.action.action import action

@stored
class Order:
    id: str

called = []

@action(access_control=nobody, triggers=AfterCreate(Order))
def count():
    called.append("count")

@action(access_control=nobody, triggers=Cron("0 3 * * *"))
def purge():
    called.append("purge")

@action(access_control=nobody, triggers=Queue("mails"))
def mail(to: str):
    called.append(to)

shop = App("shop", items=[Order], actions=[count, purge, mail])
"""


def test_triggers_timers_and_queues_are_tested_on_another_engine(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from persisty.testing import app_fixture\n"
        "app = app_fixture('shop:shop')\n"
        "on_sqlite = app_fixture('shop:shop', url='sqlite://')\n"
        "in_memory = app_fixture('shop:shop', url='memory://')\n",
    )
    pytester.makepyfile(
        shop=TIMED,
        test_shop="""
            from datetime import UTC, datetime, timedelta
            import pytest
            from shop import Order, called
            from persisty import InvalidDeclaration
            from persisty.hosting.server import Server
            from persisty.testing import drain
            from starlette.testclient import TestClient

            @pytest.mark.parametrize("engine", ["on_sqlite", "in_memory"])
            @pytest.mark.parametrize("turn", ["first", "second"])
            def test_events(engine, turn, request):
                app = request.getfixturevalue(engine)
                called.clear()
                app.store(Order).create(Order(id="1"))
                app.queue("mails").send("ann")
                assert drain(app) == 2 and sorted(called) == ["ann", "count"]
                drain(app, until=datetime.now(UTC) + timedelta(days=1))
                assert called[2:] == ["purge"]
                with TestClient(Server(app)) as client:
                    assert client.get("/health").status_code == 200

            def test_stores_on_dynamodb_and_the_way_out(app):
                app.store(Order).create(Order(id="1"))
                for refuses in (lambda: drain(app), lambda: Server(app), lambda: app.queue("mails").send("ann")):
                    with pytest.raises(InvalidDeclaration) as refused:
                        refuses()
                    assert 'app_fixture(…, url="sqlite://")' in refused.value.faults[0].expected
        """,
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "postgresql://localhost/shop", "", 5])
def test_engines_that_keep_items_are_refused(url: Any) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        app_fixture(messenger, url=url)
    assert refused.value.faults[0].path == "/url"
