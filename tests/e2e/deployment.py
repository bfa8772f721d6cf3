"""The real CDK CLI: synth, bootstrap, deploy; and the resources of the account afterwards."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from .emulators import ACCOUNT, REGION, aws_environment

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
API_STACK, DATA_STACK, EVENTS_STACK = "Messenger-dev-Api", "Messenger-dev-Data", "Messenger-dev-Events"
SECRET = "persisty/messenger/dev/tokens"
"""The secret of the example's tokens, which the deployment generates."""
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
"""The bucket that `cdk bootstrap` makes for code."""


def cdk(*arguments: str, environment: dict[str, str]) -> str:
    """Run the CDK CLI and return its output. A failure shows the output."""
    run = subprocess.run(
        [CDK, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if run.returncode != 0:
        raise AssertionError(f"cdk {' '.join(arguments)} failed\n{run.stdout}\n{run.stderr}")
    return run.stdout + run.stderr


def synthesise(assembly: Path, *context: str) -> None:
    """Run `cdk synth` of the example into a folder, with context such as `target=local`."""
    given = [word for pair in context for word in ("--context", pair)]
    cdk("synth", "--quiet", "--output", str(assembly), *given, environment=aws_environment("http://localhost:1"))


def for_moto(assembly: Path, folder: Path) -> Path:
    """Return the assembly without the resources that moto does not support: AppSync and all references to it, and parameters with tags."""
    shutil.copytree(assembly, folder)
    for file in folder.glob("*.template.json"):
        template = json.loads(file.read_text())
        missing = {name for name, one in template["Resources"].items() if one["Type"].startswith("AWS::AppSync::")}
        resources = template["Resources"]
        left_out = {name for name, one in resources.items() if one["Type"] == "AWS::SSM::Parameter"}
        before = -1
        while before != len(left_out):
            before, gone = len(left_out), missing | left_out
            left_out |= {name for name in resources.keys() - gone if not gone.isdisjoint(_referred(resources[name]))}
        for name in left_out:
            del resources[name]
        file.write_text(json.dumps(template))
    return folder


def for_ministack(assembly: Path, folder: Path) -> Path:
    """Return the assembly without the policies that reject plain HTTP, because an emulator has no HTTPS."""
    shutil.copytree(assembly, folder)
    for file in folder.glob("*.template.json"):
        template = json.loads(file.read_text())
        kept = {name: one for name, one in template["Resources"].items() if one["Type"] != "AWS::SQS::QueuePolicy"}
        file.write_text(json.dumps({**template, "Resources": kept}))
    return folder


def _referred(value: Any) -> Iterator[str]:
    """Return the logical ids that a part of a template refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case dict():
            yield from (name for one in value.values() for name in _referred(one))
        case list():
            yield from (name for one in value for name in _referred(one))


class Deployment:
    """The example, deployed from an assembly into the account at a URL: all of its stacks, or those that are named."""

    def __init__(self, assembly: Path, url: str, *stacks: str) -> None:
        self.url = url
        self.environment = aws_environment(url)
        where = f"aws://{ACCOUNT}/{REGION}"
        cdk("bootstrap", "--app", str(assembly), where, environment=self.environment)
        # bootstrap's bucket refuses plain HTTP, which is all that an emulator speaks
        self.client("s3").delete_bucket_policy(Bucket=ASSETS)
        chosen = ("--exclusively", *stacks) if stacks else ("--all",)
        deploy = ("deploy", *chosen, "--require-approval", "never")
        self.log = cdk(*deploy, "--app", str(assembly), environment=self.environment)
        templates = (API_STACK, EVENTS_STACK)
        self.template, self.events = (json.loads((assembly / f"{one}.template.json").read_text()) for one in templates)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def resources(self, kind: str, template: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return logical id → properties of the resources of a type in the deployed templates."""
        found = template["Resources"].items()
        return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}

    def unpack(self, function: str, folder: Path) -> None:
        """Write the code and layers of a function from the account's bucket: `task/` and `opt/`."""
        template, properties = next(
            (template, one)
            for template in (self.template, self.events)
            for name, one in self.resources("AWS::Lambda::Function", template).items()
            if name.startswith(function)
        )
        self._unzip(properties["Code"], folder / "task")
        layers = self.resources("AWS::Lambda::LayerVersion", template)
        for layer in properties["Layers"]:
            self._unzip(layers[layer["Ref"]]["Content"], folder / "opt")

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the deployed API stack."""
        [stack] = self.client("cloudformation").describe_stacks(StackName=API_STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def function(self, function: str) -> dict[str, Any]:
        """Return the configuration of a function in the account."""
        listed = self.client("lambda").list_functions()["Functions"]
        found: dict[str, Any] = next(one for one in listed if f"-{function}" in one["FunctionName"])
        return found

    def variables(self, function: str) -> dict[str, str]:
        """Return the environment of a function in the account."""
        variables: dict[str, str] = self.function(function)["Environment"]["Variables"]
        return variables

    def secret(self) -> str:
        """Return the value of the generated secret."""
        value: str = self.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
        return value

    def _unzip(self, place: dict[str, Any], folder: Path) -> None:
        bucket = place["S3Bucket"]
        name = ASSETS if isinstance(bucket, dict) else bucket
        body = self.client("s3").get_object(Bucket=name, Key=place["S3Key"])["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            archive.extractall(folder)
