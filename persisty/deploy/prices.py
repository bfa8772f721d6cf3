"""Prices of AWS in US dollars: the table that `persisty cost` uses. A TOML file replaces some of them, for another region or a discount.

Region us-east-1, without free tiers and discounts. Source: the pricing pages of each service on aws.amazon.com.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import Fault, InvalidDeclaration

AS_OF = date(2026, 11, 1)
"""The date of the prices."""
MILLION = 1_000_000


class Price(Struct, frozen=True):
    """A price: `usd` for `per` units."""

    usd: float
    unit: str
    per: int = 1


PRICES: dict[str, Price] = {
    "dynamodb_write": Price(0.625, "write request units", MILLION),
    "dynamodb_read": Price(0.125, "read request units", MILLION),
    "dynamodb_storage": Price(0.25, "GB-months"),
    "dynamodb_recovery": Price(0.20, "GB-months of point-in-time recovery"),
    "lambda_request": Price(0.20, "requests", MILLION),
    "lambda_arm64": Price(0.0000133334, "GB-seconds"),
    "lambda_x86_64": Price(0.0000166667, "GB-seconds"),
    "schedule": Price(1.00, "invocations by schedules", MILLION),
    "http_request": Price(1.00, "requests of up to 512 KB", MILLION),
    "appsync_operation": Price(4.00, "operations", MILLION),
    "appsync_update": Price(2.00, "messages of 5 KB to subscribers", MILLION),
    "appsync_minute": Price(0.08, "minutes of connections", MILLION),
    "appsync_cache_hour": Price(0.044, "hours of a small cache"),
    "secret": Price(0.40, "secrets"),
    "log_gb": Price(0.50, "GB of logs"),
    "alarm": Price(0.10, "alarms"),
    "transfer_gb": Price(0.09, "GB to the internet"),
}
"""Name → price."""


def prices_of(overrides: Mapping[str, Any]) -> dict[str, Price]:
    """Return the table with some prices replaced, in dollars for the same number of units. `InvalidDeclaration` lists every unknown name and every
    value that is not a price."""
    faults: list[Fault] = []
    found = dict(PRICES)
    for name, usd in overrides.items():
        if name not in PRICES:
            faults.append(Fault(f"/prices/{name}", "Unknown price", "one of " + ", ".join(PRICES)))
        elif isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd < MILLION:
            faults.append(Fault(f"/prices/{name}", "Not a price", "dollars, such as 0.25", str(usd)[:32]))
        else:
            found[name] = msgspec.structs.replace(PRICES[name], usd=float(usd))
    if faults:
        raise InvalidDeclaration("The prices are not valid", faults=faults)
    return found
