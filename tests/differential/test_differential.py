"""Every engine returns the same results of random calls as the model, and stores the same items after each of them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from random import Random

import pytest

from persisty import meta_of
from persisty.testing.conformance.fixtures import OpenEngine, open_together
from tests.conformance.conftest import open_engine, sqlite_folder  # noqa: F401

from .calls import Stores, random_call, state
from .items import ITEMS
from .model import Model

CALLS = int(os.environ.get("CALLS", "0"))
SEED = int(os.environ.get("SEED", "2026"))
SHORT = {"memory": 1500, "sqlite": 1000, "postgresql": 500}
"""Engine → calls of the short run; others get 150."""


def test_random_calls_have_the_results_of_the_model(request: pytest.FixtureRequest, open_engine: OpenEngine) -> None:  # noqa: F811
    name = request.node.callspec.params["open_engine"]
    random, model = Random(SEED), Model()
    with ExitStack() as stack:
        opened = open_together(stack, open_engine, ITEMS)
        stores: Stores = {meta_of(item).name: store for item, store in opened.items()}
        capabilities = next(iter(opened.values()))._context.path.capabilities
        for number in range(CALLS or SHORT.get(name, 150)):
            call = random_call(random, capabilities)
            expected = call.by_model(model)
            assert (call.by_stores(stores), state(stores)) == (expected, model.tables), f"call {number}: {call.text}"
