"""The event source mappings of an assembly: which function reads the stream of which table, and the patterns that a record has to match.

The mappings are removed from the templates and stored in a file of their own, because this machine delivers the records itself (`streams.py`).

Source: AWS::Lambda::EventSourceMapping in the AWS CloudFormation Template Reference, and "Filter rule syntax" in the AWS Lambda Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

MAPPING, PARAMETER = "AWS::Lambda::EventSourceMapping", "AWS::SSM::Parameter"
FILE = "stream-mappings.json"


class StreamMapping(Struct, frozen=True):
    """`function`: its logical id. `table`: the name of the table. `patterns`: of which a record has to match one; empty if every record is delivered."""

    function: str
    table: str
    patterns: tuple[dict[str, Any], ...] = ()


def write_mappings(assembly: Path, templates: Mapping[str, Mapping[str, Any]]) -> None:
    """Store the mappings of templates in the folder of their assembly."""
    (assembly / FILE).write_bytes(msgspec.json.encode(list(mappings_of(templates.values()))))


def read_mappings(assembly: Path) -> tuple[StreamMapping, ...]:
    """Return the mappings that `write_mappings` has stored."""
    return msgspec.json.decode((assembly / FILE).read_bytes(), type=tuple[StreamMapping, ...])


def mappings_of(templates: Any) -> Iterator[StreamMapping]:
    """Yield the mappings of templates. The ARN of a stream is a reference to a table, or a parameter with the name under which another stack has stored it."""
    given = [(one, one.get("Resources", {})) for one in templates]
    resources = {name: one for _, some in given for name, one in some.items()}
    stored = {
        one["Properties"]["Name"]: one["Properties"]["Value"]
        for one in resources.values()
        if one["Type"] == PARAMETER and isinstance(one["Properties"].get("Name"), str)
    }
    for template, some in given:
        for one in some.values():
            if one["Type"] != MAPPING:
                continue
            properties = one["Properties"]
            source = properties["EventSourceArn"]
            if "Ref" in source:
                source = stored[template["Parameters"][source["Ref"]]["Default"]]
            table = resources[source["Fn::GetAtt"][0]]["Properties"]["TableName"]
            filters = properties.get("FilterCriteria", {}).get("Filters", ())
            patterns = tuple(msgspec.json.decode(each["Pattern"]) for each in filters)
            yield StreamMapping(properties["FunctionName"]["Ref"], table, patterns)


def matches(record: Any, pattern: Any) -> bool:
    """Return whether a record matches a pattern of the rules that persisty deploys: equal texts and prefixes."""
    if isinstance(pattern, dict):
        return isinstance(record, dict) and all(
            name in record and matches(record[name], part) for name, part in pattern.items()
        )
    return any(
        isinstance(record, str) and record.startswith(rule["prefix"]) if isinstance(rule, dict) else record == rule
        for rule in pattern
    )
