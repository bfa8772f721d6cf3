"""Fixture for the tests of an app: one line in a conftest gives every test the app on DynamoDB, simulated by moto, or on another engine.

```python
app = app_fixture("shop.app:app")
app_on_sqlite = app_fixture("shop.app:app", url="sqlite://")
```

The tests run the same backend as production, with its conditions, expressions and limits, through botocore's client, which moto
intercepts. moto is imported when the first test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import pytest

from ..application import App, load_app, load_function
from ..errors import Fault, InvalidDeclaration

URL = "dynamodb://us-east-1?transport=boto3"
REDIRECTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE")
"""Variables of a developer's shell that would send the tests to something other than moto."""
EMBEDDED = ("sqlite://", "memory://")
"""The other engines that begin without items: each test has its own."""


def app_fixture(
    app: App | str,
    *,
    seed: Callable[[App], Any] | str | None = None,
    name: str | None = None,
    autouse: bool = False,
    url: str | None = None,
) -> Any:
    """Return a pytest fixture of this app, or of the one at `module:attribute`, for a conftest or a test module. `seed` is also a function,
    or `module:function`.

    The fixture's value is the object that the app's own modules use. Each test starts with empty tables, or with the items that
    `seed` stores. After the test, the app uses its previous engine again. The fixture has the name of the variable it is assigned to, unless `name` is
    given.

    `url`: `sqlite://` or `memory://`, for tests of after triggers, timers, scheduled calls and queues. By default, the app is on DynamoDB, and moto simulates all of
    AWS inside the test.
    """
    if url is not None and url not in EMBEDDED:
        expected = " or ".join(EMBEDDED) + ", or none for DynamoDB"
        fault = Fault("/url", "Not an engine that begins without items", expected, str(url)[:80])
        raise InvalidDeclaration("The fixture is not valid", faults=[fault])

    @pytest.fixture(name=name, autouse=autouse)
    def fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
        opened = load_app(app) if isinstance(app, str) else app
        before = opened.url
        with _simulated(monkeypatch) if url is None else nullcontext():
            opened.use(url or URL)
            try:
                opened.prepare()
                if seed is not None:
                    (load_function(seed, "seed") if isinstance(seed, str) else seed)(opened)
                yield opened
            finally:
                opened.use(before)

    return fixture


def _simulated(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[Any]:
    """Return the simulation of AWS."""
    for variable in REDIRECTS:
        monkeypatch.delenv(variable, raising=False)
    simulation: AbstractContextManager[Any] = import_module("moto").mock_aws()
    return simulation
