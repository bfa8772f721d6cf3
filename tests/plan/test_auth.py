"""AppSync's authorization modes and directives follow the settings and the access rules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import aws_cdk as cdk
import pytest
from graphql import GraphQLObjectType, build_schema

from examples.messenger.app import app as messenger
from persisty import (
    Access,
    App,
    BelongsTo,
    HasMany,
    authenticated,
    custom,
    everyone,
    link,
    owned,
    private,
    public,
    settings,
    stored,
)
from persisty.deploy.appsync_auth import AuthMode
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from persisty.local.graphql_fields import DECLARED
from tests.parts import api_stack

from .test_identity import ARN

SPEC = "examples.messenger.app:app"
KEY, LAMBDA = AuthMode("API_KEY"), AuthMode("AWS_LAMBDA")
POOL = AuthMode("AMAZON_COGNITO_USER_POOLS", "eu-west-1_AbC", r"https://api\.example\.org")
AUTH0 = AuthMode("OPENID_CONNECT", "https://acme.eu.auth0.com/", r"https://api\.example\.org")
OWN = {"PERSISTY_TOKEN_SECRET_ARN": ARN}
ISSUERS = {
    "PERSISTY_TOKEN_ISSUERS": "auth0:acme.eu.auth0.com cognito:eu-west-1_AbC",
    "PERSISTY_TOKEN_AUDIENCE": "https://api.example.org",
}


def _unsteady(caller: Any) -> bool:
    raise AssertionError("no caller is looked at")


@stored(access=public)
class Open:
    id: UUID


@stored(access=authenticated)
class Locked:
    id: UUID


@stored(access=owned("owner"))
class Diary:
    id: UUID
    owner: str


@stored(access=private)
class Cellar:
    id: UUID


@stored(access=Access(read=custom(_unsteady)))
class Whim:
    id: UUID


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)


def planned(*items: type[Any]) -> Plan:
    return plan_of(App("ways", items=items, url="memory://"), SPEC, live=False)


@pytest.mark.parametrize(
    ("items", "configured", "modes"),
    [
        ((Open,), {}, (KEY,)),
        ((Cellar,), {}, (KEY,)),
        ((Open,), OWN, (LAMBDA, KEY)),
        ((Locked,), {}, (LAMBDA,)),
        ((Locked,), OWN, (LAMBDA,)),
        ((Locked,), ISSUERS, (POOL, AUTH0)),
        ((Open,), ISSUERS, (POOL, AUTH0, KEY)),
        ((Locked,), OWN | ISSUERS, (LAMBDA,)),
        ((Diary, Open), {}, (LAMBDA, KEY)),
        ((Whim,), {}, (LAMBDA, KEY)),
    ],
)
def test_modes_follow_the_settings_and_the_allowed_callers(
    items: tuple[type[Any], ...],
    configured: dict[str, str],
    modes: tuple[AuthMode, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in configured.items():
        monkeypatch.setenv(name, value)
    plan = planned(*items)
    assert plan.auth == modes
    found = [one for one in plan.functions if one.name == "authorizer"]
    assert len(found) == (LAMBDA in modes)
    for authorizer in found:
        assert authorizer.grants == ()
        assert authorizer.secret == configured.get("PERSISTY_TOKEN_SECRET_ARN", plan.secret) is not None


def test_without_appsync_there_are_no_modes() -> None:
    app = App("ways", items=[Locked], url="memory://")
    for choice in ("http", "none"):
        plan = plan_of(app, SPEC, choice)
        assert plan.auth == ()
        assert "authorizer" not in {one.name for one in plan.functions}


@stored(access=public)
class Poster:
    id: UUID
    notes: HasMany[Note] = link()
    boards: HasMany[Board] = link()


@stored(access=Access(read=everyone, create=authenticated))
class Board:
    id: UUID
    poster_id: UUID
    poster: BelongsTo[Poster] = link(on_delete="ignore")


@stored(access=authenticated)
class Note:
    id: UUID
    poster_id: UUID
    poster: BelongsTo[Poster] = link(on_delete="ignore")


def marks(plan: Plan) -> dict[str, set[str]]:
    """Return type, or type.field if the field has its own directives → directives."""
    found: dict[str, set[str]] = {}
    for name, type_ in build_schema(plan.sdl + DECLARED).type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__") and type_.ast_node is not None:
            found[name] = {one.name.value for one in type_.ast_node.directives or ()}
            for field, one in type_.fields.items():
                if one.ast_node is not None and one.ast_node.directives:
                    found[f"{name}.{field}"] = {mark.name.value for mark in one.ast_node.directives}
    return found


@pytest.mark.parametrize(
    ("configured", "known"), [(OWN, {"aws_lambda"}), (ISSUERS, {"aws_oidc", "aws_cognito_user_pools"})]
)
def test_fields_and_types_have_the_modes_of_the_rules(
    configured: dict[str, str], known: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in configured.items():
        monkeypatch.setenv(name, value)
    found, everybody = marks(planned(Poster, Board, Note)), known | {"aws_api_key"}
    assert {name: found[name] for name in ("Query.posterRead", "Query.boardSearch", "Mutation.posterCreate")} == {
        "Query.posterRead": everybody,
        "Query.boardSearch": everybody,
        "Mutation.posterCreate": everybody,
    }
    assert found["Mutation.boardCreate"] == found["Query.noteRead"] == found["Mutation.noteUpdate"] == known
    assert found["Poster"] == found["PosterPage"] == found["Board"] == found["BoardPage"] == everybody
    assert found["Note"] == found["NotePage"] == known
    assert found["Poster.notes"] == known
    assert "Poster.boards" not in found
    assert "Note.poster" not in found
    assert found["Mutation.editBatch"] == found["AnyStoreItem"] == found["AnyStoreEditResult"] == everybody
    assert found["AnyStoreItem.board"] == found["AnyStoreItem.note"] == known
    assert "AnyStoreItem.poster" not in found
    roots = {name for name in found if name.startswith(("Query.", "Mutation."))}
    assert len(roots) == len([one for one in planned(Poster, Board, Note).fields if not one.batch])


def test_every_object_type_has_the_modes_of_the_fields_that_return_it() -> None:
    found = marks(plan_of(messenger, SPEC, live=False))
    assert found["Session"] == found["Mutation.signUp"] == {"aws_lambda", "aws_api_key"}
    assert found["User"] == found["Query.userRead"] == {"aws_lambda"}
    assert all(found[name] for name in found if "." not in name and name not in ("Query", "Mutation"))


def test_with_one_mode_there_are_no_directives() -> None:
    assert not any(marks(planned(Locked)).values())
    assert not any(marks(planned(Open)).values())


def resources(plan: Plan, kind: str) -> list[dict[str, Any]]:
    made = cdk.App()
    stack = api_stack(made, plan)
    template = made.synth().get_stack_by_name(stack.stack_name).template
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def test_appsync_verifies_issuers_if_persisty_signs_no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ISSUERS.items():
        monkeypatch.setenv(name, value)
    [api] = resources(planned(Locked), "AWS::AppSync::GraphQLApi")
    assert api["AuthenticationType"] == "AMAZON_COGNITO_USER_POOLS"
    assert api["UserPoolConfig"] == {
        "UserPoolId": "eu-west-1_AbC",
        "AwsRegion": "eu-west-1",
        "DefaultAction": "ALLOW",
        "AppIdClientRegex": POOL.clients,
    }
    [other] = api["AdditionalAuthenticationProviders"]
    assert other["AuthenticationType"] == "OPENID_CONNECT"
    assert other["OpenIDConnectConfig"] == {"Issuer": AUTH0.issuer, "ClientId": AUTH0.clients}
    assert resources(planned(Locked), "AWS::AppSync::ApiKey") == []
