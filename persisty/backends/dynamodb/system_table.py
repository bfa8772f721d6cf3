"""The system table of an app: a row for each unique value in use, and a row for each sequence.

```
id = unique/user/unique-username/Sann        holder = the key of the item that has the value
id = sequence/ticket/number                  last   = the last number that was reserved
```
"""

from __future__ import annotations

from typing import Any

from ...aws.retries import AwsError
from ...errors import PersistyError
from .transport import JSON, Transport, as_error

ID, HOLDER, LAST = "id", "holder", "last"


def definition(table: str) -> dict[str, Any]:
    """The payload of CreateTable."""
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": ID, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": ID, "KeyType": "HASH"}],
    }


def sequence_key(table: str, sequence: str) -> dict[str, Any]:
    """Return the key of the row of a sequence. `sequence`: the stored name of its attribute."""
    return {ID: {"S": f"sequence/{table}/{sequence}"}}


class SystemTable:
    def __init__(self, name: str, transport: Transport) -> None:
        self.name = name
        self._transport = transport

    def allocate(self, table: str, sequence: str, count: int) -> int:
        """Reserve `count` numbers of a sequence in one request, and return the first. A lost response leaves a gap."""
        payload = {
            "TableName": self.name,
            "Key": sequence_key(table, sequence),
            "UpdateExpression": "ADD #last :count",
            "ExpressionAttributeNames": {"#last": LAST},
            "ExpressionAttributeValues": {":count": {"N": str(count)}},
            "ReturnValues": "UPDATED_NEW",
        }
        try:
            answer = self._transport.call("UpdateItem", payload, JSON)
        except AwsError as error:
            raise as_error(error) from error
        except PersistyError as error:
            error.details.pop("in_doubt", None)  # numbers that may have been reserved are a gap, which does no harm
            raise
        return int(answer["Attributes"][LAST]["N"]) - count + 1

    def take(self, guard: str, holder: str, before: str | None) -> dict[str, Any]:
        """Return the action that assigns a unique value to an item. The value must be free, or belong to the item that releases it."""
        action = {
            "TableName": self.name,
            "Item": {ID: {"S": guard}, HOLDER: {"S": holder}},
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": ID},
        }
        if before is not None:
            action["ConditionExpression"] = "#holder = :before"
            action["ExpressionAttributeNames"] = {"#holder": HOLDER}
            action["ExpressionAttributeValues"] = {":before": {"S": before}}
        return {"Put": action}

    def never(self, name: str) -> dict[str, Any]:
        """Return an action that always fails. The transaction then fails too, and reports all its failures."""
        return {
            "Delete": {
                "TableName": self.name,
                "Key": {ID: {"S": f"never/{name}"}},
                "ConditionExpression": "attribute_exists(#id)",
                "ExpressionAttributeNames": {"#id": ID},
            }
        }

    def release(self, guard: str) -> dict[str, Any]:
        """Return the action that releases a unique value."""
        return {"Delete": {"TableName": self.name, "Key": {ID: {"S": guard}}}}
