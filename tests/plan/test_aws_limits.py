"""Limits of AWS: an app beyond a limit stops the synth, with every excess."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App, Attr, Index, InvalidDeclaration, public, stored
from persisty.deploy.plan import plan_of

SPEC = "examples.messenger.app:app"


def wide(count: int) -> App:
    names = [f"n{number}" for number in range(count)]
    annotations: dict[str, Any] = dict.fromkeys(names, Attr[int])
    made = type("Wide", (), {"__annotations__": {"id": Attr[str], **annotations}, "__module__": __name__})
    return App("wide", items=[stored(key="id", indexes=[Index(name) for name in names], access=public)(made)])


def test_a_table_has_as_many_indexes_as_dynamodb_takes() -> None:
    assert len(plan_of(wide(20), SPEC, "none").tables[0].indexes) == 20
    with pytest.raises(
        InvalidDeclaration, match=r"/wide/indexes: Too many indexes .*\(expected at most 20, found 21\)"
    ):
        plan_of(wide(21), SPEC, "none")


def test_a_function_has_as_many_variables_as_lambda_takes() -> None:
    with pytest.raises(InvalidDeclaration, match="/functions/rest: Too many bytes of variables"):
        plan_of(wide(1), SPEC, "none", variables={"PRICES": "x" * 5000})
