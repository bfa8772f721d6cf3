"""The deployer chooses the APIs: the plan has functions, routes, fields and the schema of the chosen ones only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from examples.messenger.app import app
from persisty import InvalidDeclaration
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan, Route
from persisty.store.idempotency_records import REQUESTS
from tests.parts import api_stack

SPEC = "examples.messenger.app:app"
CHOICES: dict[str, set[str]] = {
    "both": {"rest", "graphql_http", "appsync"},
    "http": {"rest", "graphql_http"},
    "appsync": {"rest", "appsync"},
    "none": {"rest"},
}


def answering(plan: Plan) -> set[str]:
    """The functions that answer requests."""
    return {one.name for one in plan.functions} & {"rest", "graphql_http", "appsync"}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_plan_has_what_is_chosen(choice: str) -> None:
    plan, chosen = plan_of(app, SPEC, choice), CHOICES[choice]
    assert answering(plan) == chosen
    assert (Route("ANY", "/graphql", "graphql_http") in plan.routes) is ("graphql_http" in chosen)
    assert {route.function for route in plan.routes} == chosen - {"appsync"}
    assert bool(plan.fields) is bool(plan.sdl) is ("appsync" in chosen)


def test_both_are_planned_unless_one_is_chosen() -> None:
    assert plan_of(app, SPEC) == plan_of(app, SPEC, "both")


def test_whole_requests_are_granted_what_their_fields_are() -> None:
    grants = {one.name: one.grants for one in plan_of(app, SPEC).functions}
    of_items = tuple(one for one in grants["rest"] if one.store != REQUESTS.name)
    assert grants["appsync"] == of_items
    assert grants["graphql_http"] == grants["rest"]  # both store responses by `Idempotency-Key`


def test_an_unknown_choice_stops_the_synth() -> None:
    with pytest.raises(InvalidDeclaration, match="both or http or appsync or none"):
        plan_of(app, SPEC, "yes")


def template(plan: Plan) -> dict[str, Any]:
    made = cdk.App()
    stack = api_stack(made, plan)
    found: dict[str, Any] = made.synth().get_stack_by_name(stack.stack_name).template
    return found


@pytest.mark.parametrize("choice", CHOICES)
def test_a_stack_has_resources_and_outputs_of_what_is_chosen(choice: str) -> None:
    made, chosen = template(plan_of(app, SPEC, choice)), CHOICES[choice]
    kinds = {one["Type"] for one in made["Resources"].values()}
    assert any(kind.startswith("AWS::AppSync::") for kind in kinds) is ("appsync" in chosen)
    handlers = {
        one["Properties"]["Handler"] for one in made["Resources"].values() if one["Type"] == "AWS::Lambda::Function"
    }
    wired = {name: f"persisty_lambdas.{name.partition('_')[0]}.handler" for name in CHOICES["both"]}
    assert handlers & set(wired.values()) == {wired[name] for name in chosen}
    urls = {"HttpUrl"} | ({"GraphqlUrl", "GraphqlApiId"} if "appsync" in chosen else set())
    assert made["Outputs"].keys() == urls


@pytest.fixture
def deployed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the app's folder."""
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def graphql_variables(plan: Plan) -> dict[str, dict[str, str]]:
    """Return function → its variables about GraphQL."""
    return {
        one.name: {name: value for name, value in one.environment.items() if "GRAPHQL" in name}
        for one in plan.functions
    }


def test_the_function_has_the_variable_of_the_executable_documents(
    deployed_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deployed_files / "examples" / "documents.json").write_text('{"Statistics": "{ statistics { messages } }"}')
    monkeypatch.setenv("PERSISTY_GRAPHQL_DOCUMENTS", "examples/documents.json")
    monkeypatch.setenv("PERSISTY_GRAPHQL_INTROSPECTION", "off")
    found = graphql_variables(plan_of(app, SPEC, "http"))
    assert found["graphql_http"] == {
        "PERSISTY_GRAPHQL_DOCUMENTS": "examples/documents.json",
        "PERSISTY_GRAPHQL_INTROSPECTION": "off",
    }
    assert found["rest"] == {}
    assert set(graphql_variables(plan_of(app, SPEC, "none"))) == {"rest"}


@pytest.mark.parametrize(
    ("file", "choice", "told"),
    [
        ("examples/documents.json", "both", "AppSync executes any"),
        ("examples/documents.json", "appsync", "AppSync executes any"),
        ("documents.json", "http", "has to be in examples/"),
        ("examples/../documents.json", "http", "has to be in examples/"),
        ("/examples/documents.json", "http", "has to be in examples/"),
        ("examples/documents.json", "http", "Cannot read documents"),
    ],
)
def test_documents_that_would_not_be_enforced_stop_the_synth(
    deployed_files: Path, monkeypatch: pytest.MonkeyPatch, file: str, choice: str, told: str
) -> None:
    monkeypatch.setenv("PERSISTY_GRAPHQL_DOCUMENTS", file)
    with pytest.raises(InvalidDeclaration, match=told):
        plan_of(app, SPEC, choice)


def test_appsync_answers_introspection_unless_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def api() -> dict[str, Any]:
        made = template(plan_of(app, SPEC))["Resources"].values()
        [found] = [one["Properties"] for one in made if one["Type"] == "AWS::AppSync::GraphQLApi"]
        properties: dict[str, Any] = found
        return properties

    assert "IntrospectionConfig" not in api()
    monkeypatch.setenv("PERSISTY_GRAPHQL_INTROSPECTION", "off")
    assert api()["IntrospectionConfig"] == "DISABLED"
