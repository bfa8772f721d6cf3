"""An app in a separate directory, with a virtual environment that has only the wheel: the real CDK CLI synthesises it, and its function answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.constructs.code import runtime_layer
from stacks.constructs.target import Target
from tests.e2e.emulators import aws_environment
from tests.e2e.lambda_process import running
from tests.plan.test_requirements import BACKEND, source

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = """
import purely
from persisty import GENERATED, App, Attr, BelongsTo, HasMany, link, public, stored
from uuid import UUID


@stored(access=public)
class Product:
    id: Attr[UUID] = GENERATED
    name: Attr[str]
    orders: HasMany["Order"] = link()


@stored(access=public)
class Order:
    id: Attr[UUID] = GENERATED
    product_id: Attr[UUID]
    count: Attr[int] = Attr(default=purely.answer)
    product: BelongsTo[Product] = link(on_delete="cascade")


app = App("shop", items=[Product, Order])
"""
INFRASTRUCTURE = """
import aws_cdk as cdk
import persisty, persisty_cdk
from persisty_cdk import PersistyApp

cdk_app = cdk.App()
stack = cdk.Stack(cdk_app, "Storefront")
shop = PersistyApp(stack, "Shop", app="shop.app:app", stage="prod", target="local", tags={"team": "sales"})
PersistyApp(cdk_app, "Dev", app="shop.app:app", target="local", graphql="http")
reader = cdk.aws_iam.Role(stack, "Reader", assumed_by=cdk.aws_iam.ServicePrincipal("glue.amazonaws.com"))
shop.grant_read("product", reader)
cdk.CfnOutput(stack, "From", value=f"{persisty.__file__} {persisty_cdk.__file__}")
cdk_app.synth()
"""

Template = dict[str, Any]


@pytest.fixture(scope="module")
def project(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose app requires a package that is published as source alone, after `cdk synth`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "shop").mkdir()
    source(folder / "index", "purely", BACKEND.format(name="purely", tag="py3-none-any"))
    files = {
        "shop/__init__.py": "",
        "shop/app.py": APP,
        "shop/requirements.txt": "persisty[server]\n--find-links index\npurely==1.0\n",
        "infrastructure.py": INFRASTRUCTURE,
        "cdk.json": json.dumps({"app": f"{python} infrastructure.py"}),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    run = synth(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def synth(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in aws_environment("http://localhost:1").items() if name != "PYTHONPATH"}
    return subprocess.run(
        [CDK, "synth", "--quiet", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip


def template(project: Path, stack: str) -> Template:
    found: Template = json.loads((project / "cdk.out" / f"{stack}.template.json").read_text())
    return found


def of_type(found: Template, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in found["Resources"].values() if one["Type"] == kind]


def test_everything_comes_from_the_wheel(project: Path, python: Path) -> None:
    places = template(project, "Storefront")["Outputs"]["From"]["Value"].split()
    assert all(Path(place).is_relative_to(python.parents[1]) for place in places)


def test_two_stages_are_in_one_cdk_app_and_one_is_within_a_stack_of_the_user(project: Path) -> None:
    assert {path.name.partition(".")[0] for path in (project / "cdk.out").glob("*.template.json")} == {
        "Storefront", "Shop-dev-Data", "Shop-dev-Api"
    }  # fmt: skip
    tables = [one["TableName"] for one in of_type(template(project, "Storefront"), "AWS::DynamoDB::Table")]
    assert sorted(tables) == ["shop-prod-order", "shop-prod-persisty-request", "shop-prod-product"]
    assert of_type(template(project, "Storefront"), "AWS::SSM::Parameter") == []


def test_built_code_is_ignored_by_version_control(project: Path) -> None:
    assert (project / ".persisty/.gitignore").read_text() == "*\n"
    assert {path.name for path in project.iterdir()} == {
        ".persisty", "cdk.json", "cdk.out", "index", "infrastructure.py", "shop"
    }  # fmt: skip


def test_the_function_answers_from_its_own_code_and_layers(project: Path, tmp_path: Path) -> None:
    found = template(project, "Shop-dev-Api")
    [function] = [
        one for one in of_type(found, "AWS::Lambda::Function") if one["Handler"] == "persisty_lambdas.rest.handler"
    ]
    unpacked(project, function["Code"], tmp_path / "task")
    for layer in function["Layers"]:
        unpacked(project, found["Resources"][layer["Ref"]]["Properties"]["Content"], tmp_path / "opt")
    assert {path.name for path in (tmp_path / "task").iterdir()} == {"persisty_lambdas", "shop"}
    variables = {
        **function["Environment"]["Variables"],
        "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    }  # fmt: skip
    with running(tmp_path, function["Handler"], variables) as process:
        answer = process.invoke(event("GET", "/openapi.json"))
        refused = process.invoke(event("POST", "/api/order", "{}"))
    assert {"Product", "Order"} <= json.loads(answer["body"])["components"]["schemas"].keys()
    assert (refused["statusCode"], json.loads(refused["body"])["faults"][0]["path"]) == (422, "/product_id")


def unpacked(project: Path, place: dict[str, Any], folder: Path) -> None:
    """Copy the folder of an asset."""
    shutil.copytree(project / "cdk.out" / f"asset.{Path(place['S3Key']).stem}", folder, dirs_exist_ok=True)


def event(method: str, path: str, body: str | None = None) -> dict[str, Any]:
    """An event as an HTTP API sends it, payload format 2.0."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"}, "isBase64Encoded": False, "body": body,
    }  # fmt: skip


def test_a_project_needs_no_cdk_app_of_its_own(project: Path, python: Path, tmp_path: Path) -> None:
    words = ("--app", f"{python} -m persisty_cdk", "--output", str(tmp_path / "cdk.out"), "--context", "target=local")
    run = synth(project, *words, "--context", "app=shop.app:app", "--context", "graphql=none")
    assert run.returncode == 0, run.stdout + run.stderr
    assert {path.name for path in (tmp_path / "cdk.out").glob("*.template.json")} == {
        "Shop-dev-Data.template.json", "Shop-dev-Api.template.json"
    }  # fmt: skip


def test_a_mistake_in_an_option_is_one_message_without_a_traceback(project: Path, python: Path) -> None:
    environment = {"CDK_CONTEXT_JSON": json.dumps({"app": "shop.app:app", "memory": 1}), "PATH": os.environ["PATH"]}
    run = subprocess.run(
        [python, "-m", "persisty_cdk"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "/memory: Expected int >= 128" in run.stderr
    assert "Traceback" not in run.stderr


def test_code_has_the_hash_that_it_has_from_the_repository(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runtime_layer(Target.parse("local")).name in {path.name for path in (project / ".persisty/code").iterdir()}
