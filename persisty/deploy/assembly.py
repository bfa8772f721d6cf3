"""Read the output of the CDK: the stacks of an assembly, and the DynamoDB tables, secrets and apps in their templates. Nested stacks are included.

Source: `manifest.json` of a cloud assembly, package @aws-cdk/cloud-assembly-schema; AWS::DynamoDB::Table in the AWS CloudFormation Template Reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .resources import Index, KeyAttribute
from .waves import TableShape

STACK, NESTED, TABLE = "aws:cloudformation:stack", "AWS::CloudFormation::Stack", "AWS::DynamoDB::Table"
SECRET, FUNCTION = "AWS::SecretsManager::Secret", "AWS::Lambda::Function"
ASSET = "aws:asset:path"
"""Metadata of a nested stack: the file of its template."""


class PlacedApp(Struct, frozen=True):
    """An app that functions load: `module:attribute`, and its stage."""

    spec: str
    stage: str


class StackShape(Struct, frozen=True):
    """A stack: its identifier in the CDK app, its name in CloudFormation, its tables, the number of its resources without those of nested stacks, the
    names of its secrets, and the apps of its functions."""

    id: str
    name: str
    tables: tuple[TableShape, ...]
    resources: int
    secrets: tuple[str, ...] = ()
    apps: tuple[PlacedApp, ...] = ()


def stacks_of(folder: Path) -> tuple[StackShape, ...]:
    """Return the stacks of an assembly, in the order of the manifest, in which a stack follows those that it depends on."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    found = []
    for id_, artifact in manifest.get("artifacts", {}).items():
        if artifact["type"] == STACK:
            properties = artifact["properties"]
            template = _template(folder / properties["templateFile"])
            templates = list(_templates(folder, template))
            tables = tuple(table for one in templates for table in _tables(one))
            apps = tuple(dict.fromkeys(app for one in templates for app in _apps(one)))
            name = properties.get("stackName", id_)
            resources = template.get("Resources", {})
            secrets = tuple(
                one["Properties"]["Name"]
                for one in resources.values()
                if one["Type"] == SECRET and isinstance(one["Properties"].get("Name"), str)
            )
            found.append(StackShape(artifact.get("displayName", id_), name, tables, len(resources), secrets, apps))
    return tuple(found)


def table_shape(properties: Mapping[str, Any]) -> TableShape:
    """Return the table of a template, or of a response of `DescribeTable`, which have the same members. Indexes that are being deleted are left out."""
    types = {one["AttributeName"]: one["AttributeType"] for one in properties["AttributeDefinitions"]}

    def attributes(schema: list[dict[str, str]], role: str) -> tuple[KeyAttribute, ...]:
        names = [one["AttributeName"] for one in schema if one["KeyType"] == role]
        return tuple(KeyAttribute(name, types[name]) for name in names)

    indexes = []
    for one in properties.get("GlobalSecondaryIndexes") or ():
        partition, *more = attributes(one["KeySchema"], "HASH")
        if one.get("IndexStatus") != "DELETING":
            indexes.append(Index(one["IndexName"], partition, (*more, *attributes(one["KeySchema"], "RANGE"))))
    key = (*attributes(properties["KeySchema"], "HASH"), *attributes(properties["KeySchema"], "RANGE"))
    return TableShape(properties["TableName"], key, tuple(indexes), properties.get("ItemCount", 0))


def _templates(folder: Path, template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a template and those of its nested stacks."""
    yield template
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == NESTED and (file := resource.get("Metadata", {}).get(ASSET)):
            yield from _templates(folder, _template(folder / file))


def _tables(template: Mapping[str, Any]) -> Iterator[TableShape]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == TABLE and isinstance(resource["Properties"].get("TableName"), str):
            yield table_shape(resource["Properties"])


def _apps(template: Mapping[str, Any]) -> Iterator[PlacedApp]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == FUNCTION:
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            spec, stage = variables.get("PERSISTY_APP"), variables.get("PERSISTY_STAGE")
            if isinstance(spec, str) and isinstance(stage, str):
                yield PlacedApp(spec, stage)


def _template(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return found
