"""Results of AppSync's function that are larger than Lambda accepts."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.result_size import MAX_ANSWER


class Context:
    function_name = function_version = invoked_function_arn = aws_request_id = "x"
    memory_limit_in_mb = 128


class Surface:
    """Answers with so many bytes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def handle(self, event: Any) -> dict[str, Any]:
        return {"data": "x" * self._size}

    def handle_batch(self, events: list[Any]) -> list[dict[str, Any]]:
        return [self.handle(event) for event in events]


@pytest.fixture(scope="module")
def appsync() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERSISTY_APP", "tests.unit.lambdas.laptop:app")
        environment.setenv("PERSISTY_URL", "memory://")
        environment.setenv("PERSISTY_STAGE", "live")
        import lambdas.appsync

        return lambdas.appsync


def test_a_result_beyond_six_megabytes_is_the_error_of_rest(appsync: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appsync, "surface", Surface(MAX_ANSWER))
    error = appsync.handler({}, Context())["error"]
    assert (error["code"], error["info"]["limit"]) == ("answer_too_large", MAX_ANSWER)


def test_a_result_that_is_too_large_after_a_mutation_says_that_it_is_done(
    appsync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appsync, "surface", Surface(MAX_ANSWER))
    error = appsync.handler({"parentTypeName": "Mutation"}, Context())["error"]
    assert (error["code"], error["info"]["done"]) == ("answer_too_large", 200)
    assert "done" not in appsync.handler({"parentTypeName": "Query"}, Context())["error"]["info"]


def test_the_links_of_a_batch_that_are_too_large_together_are_each_the_error(
    appsync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appsync, "surface", Surface(MAX_ANSWER // 3))
    assert [list(one) for one in appsync.handler([{}, {}], Context())] == [["data"]] * 2
    assert [one["error"]["code"] for one in appsync.handler([{}] * 4, Context())] == ["answer_too_large"] * 4


def test_an_event_without_a_field_is_an_error(appsync: Any) -> None:
    assert appsync.handler({}, Context())["error"]["code"] == "invalid_input"
    assert [one["error"]["code"] for one in appsync.handler([{}, None], Context())] == ["not_found"] * 2
