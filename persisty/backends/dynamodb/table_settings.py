"""Settings of a table that its items do not show: its stream, encryption, deletion protection and recovery. A copy gets those of the former table.

CloudFormation takes over a table that exists without changing it, so the table must already be as the template describes it.
Source: "Import AWS resources into a CloudFormation stack" in the AWS CloudFormation User Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import sleep
from typing import Any

from ...aws.retries import AwsError
from ...errors import BackendUnavailable, Conflict, Fault, PersistyError
from .guard_backfill import Tables

UNKNOWN = "UnknownOperationException"
"""The refusal of a local stand-in that has no backups."""
UNAVAILABLE = "ContinuousBackupsUnavailableException"
"""The refusal of a table that was created moments ago."""
WAIT, ATTEMPTS = 3.0, 40
"""Seconds between attempts, and the number of attempts."""


def settings_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a table, as members of the payload of CreateTable, without its stream."""
    found: dict[str, Any] = {}
    if description.get("SSEDescription", {}).get("Status") == "ENABLED":
        found["SSESpecification"] = {"Enabled": True, "SSEType": "KMS"}
    if description.get("DeletionProtectionEnabled"):
        found["DeletionProtectionEnabled"] = True
    return found


def recover_as(tables: Tables, former: str, name: str) -> None:
    """Turn on point-in-time recovery of a table if the former one has it, for as many days. Both names are those on AWS."""
    answer = _unless(UNKNOWN, tables, "DescribeContinuousBackups", {"TableName": former}) or {}
    recovery = answer.get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        return
    days = {one: recovery[one] for one in ("RecoveryPeriodInDays",) if one in recovery}
    specification = {"PointInTimeRecoveryEnabled": True, **days}
    payload = {"TableName": name, "PointInTimeRecoverySpecification": specification}
    for _ in range(ATTEMPTS):
        if _unless(UNAVAILABLE, tables, "UpdateContinuousBackups", payload) is not None:
            return
        sleep(WAIT)
    raise BackendUnavailable(f"Point-in-time recovery of {name} cannot be turned on yet: run the command again")


def _unless(kind: str, tables: Tables, operation: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """Return the response of a call, None if it is refused as `kind`."""
    try:
        return tables.send(operation, payload)
    except PersistyError as error:
        if isinstance(error.__cause__, AwsError) and error.__cause__.kind == kind:
            return None
        raise


def check_unprotected(description: Mapping[str, Any], path: str) -> None:
    """Raise `Conflict` for a table that must not be deleted."""
    if description.get("DeletionProtectionEnabled"):
        name = description["TableName"]
        command = f"aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled"
        faults = [Fault(path, "Turn its deletion protection off, then run the command again", command)]
        raise Conflict(f"The table {name} has deletion protection: it is not deleted", faults=faults)
