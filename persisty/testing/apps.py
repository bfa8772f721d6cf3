"""Fixture for the tests of an app: one line in a conftest gives every test the app on DynamoDB, simulated by moto.

```python
app = app_fixture("shop.app:app")
```

The tests run the same backend as production, with its conditions, expressions and limits, through botocore's client, which moto
intercepts. moto is imported when the first test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from ..application import App, load_app, load_function

URL = "dynamodb://us-east-1?transport=boto3"
REDIRECTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE")
"""Variables of a developer's shell that would send the tests to something other than moto."""


def app_fixture(
    app: App | str, *, seed: Callable[[App], Any] | str | None = None, name: str | None = None, autouse: bool = False
) -> Any:
    """Return a pytest fixture of this app, or of the one at `module:attribute`, for a conftest or a test module. `seed` is also a function,
    or `module:function`.

    The fixture's value is the object that the app's own modules use. Each test starts with empty tables, or with the items that
    `seed` stores. After the test, the app uses its previous engine again. Inside the test, moto simulates all of AWS. The
    fixture has the name of the variable it is assigned to, unless `name` is given.
    """

    @pytest.fixture(name=name, autouse=autouse)
    def fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
        opened = load_app(app) if isinstance(app, str) else app
        before = opened.url
        for variable in REDIRECTS:
            monkeypatch.delenv(variable, raising=False)
        with import_module("moto").mock_aws():
            opened.use(URL)
            try:
                opened.prepare()
                if seed is not None:
                    (load_function(seed, "seed") if isinstance(seed, str) else seed)(opened)
                yield opened
            finally:
                opened.use(before)

    return fixture
