"""docs/deploying.md: every option is explained, and the examples are valid."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

from persisty.deploy.options import NAMES, options_of
from stacks.constructs.deploy_time_values import DeployTimeValues

PAGE = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
INTEGRATION = "from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration\n"
CONSTRUCTS = {"vpc", "subnets", "security_groups", "domain", "graphql_domain", "topic", "env"}


def test_every_option_has_a_row() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## Options")[2].partition("<!-- constructs -->")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(NAMES)


def test_the_examples_run_and_their_options_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every example with constructs of the CDK. The app of the examples does not exist, so only their options are read."""
    read: list[str] = []

    class PersistyApp:
        topic: Any = MagicMock()
        grant_read = http = graphql = roles = functions = tables = MagicMock()

        def __init__(self, scope: Any, id: str, **given: Any) -> None:  # noqa: A002 - CDK's name
            options = {name: value for name, value in given.items() if name not in CONSTRUCTS}
            read.append(options_of(DeployTimeValues().options(options)).app)

    monkeypatch.setitem(sys.modules, "persisty_cdk", SimpleNamespace(PersistyApp=PersistyApp, Domain=MagicMock()))
    modules = {"aws_cdk": cdk, "cognito": cognito, "iam": iam, "secretsmanager": secretsmanager, "sqs": sqs}
    env = cdk.Environment(account="123456789012", region="eu-west-1")
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        cdk_app = cdk.App()
        mine = cdk.Stack(cdk_app, "Mine", env=env)
        given = {
            "cdk": cdk,
            "cdk_app": cdk_app,
            "self": mine,
            "my_function": MagicMock(),
            "pictures": MagicMock(),
            "PersistyApp": PersistyApp,
        }
        names: dict[str, Any] = {**modules, **given, "shop": PersistyApp(mine, "Shop", app="shop.app:app")}
        names["HttpLambdaIntegration"] = MagicMock()
        exec(code.replace(INTEGRATION, ""), names)
        if "Storefront" in names:
            names["Storefront"](cdk_app, "Storefront", env=env)
    assert set(read) == {"shop.app:app"}
