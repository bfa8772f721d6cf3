"""Read the output of the CDK: the stacks of an assembly, and the DynamoDB tables, secrets and apps in their templates. Nested stacks and stages are included.

Source: `manifest.json` of a cloud assembly, package @aws-cdk/cloud-assembly-schema; AWS::DynamoDB::Table in the AWS CloudFormation Template Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .resources import Index, KeyAttribute
from .waves import TableShape

STACK, NESTED, TABLE = "aws:cloudformation:stack", "AWS::CloudFormation::Stack", "AWS::DynamoDB::Table"
STAGE = "cdk:cloud-assembly"
"""Type of the assembly of a `cdk.Stage`, which is in a folder of its own."""
SECRET, FUNCTION = "AWS::SecretsManager::Secret", "AWS::Lambda::Function"
ASSET = "aws:asset:path"
"""Metadata of a nested stack: the file of its template."""
WARNING = "aws:cdk:warning"
_PLACE = re.compile(r"aws://([^/]+)/([^/]+)")
"""The environment of a stack: account and region."""
_NOTE = re.compile(r"(?P<text>.+) \[ack: persisty:(?P<name>PERSISTY_[A-Z_]+)\]", re.DOTALL)
"""A warning of `PersistyApp` about a setting of the shell."""


class PlacedApp(Struct, frozen=True):
    """An app that functions load: `module:attribute`, and its stage."""

    spec: str
    stage: str


class Note(Struct, frozen=True):
    """A setting that a deployment takes from the shell, and a sentence about it."""

    name: str
    text: str


class StackShape(Struct, frozen=True):
    """A stack: its identifier in the CDK app, its name in CloudFormation, its tables, the number of its resources without those of nested stacks, the
    names of its secrets, the apps of its functions, and the settings that it takes from the shell. `account`, `region`: None for those of the credentials."""

    id: str
    name: str
    tables: tuple[TableShape, ...]
    resources: int
    secrets: tuple[str, ...] = ()
    apps: tuple[PlacedApp, ...] = ()
    notes: tuple[Note, ...] = ()
    account: str | None = None
    region: str | None = None


def stacks_of(folder: Path) -> tuple[StackShape, ...]:
    """Return the stacks of an assembly, in the order of the manifest, in which a stack follows those that it depends on."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    found: list[StackShape] = []
    for id_, artifact in manifest.get("artifacts", {}).items():
        if artifact["type"] == STACK:
            found.append(_stack(folder, id_, artifact))
        elif artifact["type"] == STAGE:
            found += stacks_of(folder / artifact["properties"]["directoryName"])
    return tuple(found)


def _stack(folder: Path, id_: str, artifact: Mapping[str, Any]) -> StackShape:
    properties = artifact["properties"]
    template = _template(folder / properties["templateFile"])
    templates = list(_templates(folder, template))
    resources = template.get("Resources", {})
    account, region = _place(artifact.get("environment", ""))
    return StackShape(
        id=artifact.get("displayName", id_),
        name=properties.get("stackName", id_),
        tables=tuple(table for one in templates for table in _tables(one)),
        resources=len(resources),
        secrets=tuple(
            one["Properties"]["Name"]
            for one in resources.values()
            if one["Type"] == SECRET and isinstance(one["Properties"].get("Name"), str)
        ),
        apps=tuple(dict.fromkeys(app for one in templates for app in _apps(one))),
        notes=tuple(dict.fromkeys(_notes(folder, artifact))),
        account=account,
        region=region,
    )


def _place(environment: str) -> tuple[str | None, str | None]:
    """Return the account and the region of a stack, None for one that the credentials decide."""
    found = _PLACE.fullmatch(environment)
    account, region = found.groups() if found else ("unknown-", "unknown-")
    return None if account.startswith("unknown-") else account, None if region.startswith("unknown-") else region


def _notes(folder: Path, artifact: Mapping[str, Any]) -> Iterator[Note]:
    """Yield the warnings about settings of the shell. The CDK writes metadata into the manifest, or into a file of its own."""
    file = artifact.get("additionalMetadataFile")
    for metadata in (artifact.get("metadata", {}), _template(folder / file) if file else {}):
        for entries in metadata.values():
            for one in entries:
                if one["type"] == WARNING and (note := _NOTE.fullmatch(str(one.get("data")))):
                    yield Note(note["name"], note["text"])


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
