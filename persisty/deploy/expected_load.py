"""The load of an app in a month, as a TOML file declares it, for `persisty cost`.

[requests]                 # callers of the APIs
rest = 3_000_000           # requests to the HTTP API
milliseconds = 15          # average duration of a function's invocation

[stores.order]
items = 200_000            # stored, on average
bytes = 600                # of one item
reads = 2_000_000          # by key
searches = 500_000
page = 25                  # items that a search reads
creates = 100_000
updates = 300_000
deletes = 1_000
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ..errors import Fault, InvalidDeclaration
from ..model.msgspec_faults import fault_of, pointer

Count = Annotated[int, Meta(ge=0, le=10**15)]
Average = Annotated[float, Meta(ge=0, le=10**9)]


class StoreLoad(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load of one store: the number of its items, the bytes of one, and the calls of a month. `page`: items that a search reads."""

    items: Count = 0
    bytes: Average = 500
    reads: Count = 0
    searches: Count = 0
    page: Average = 25
    creates: Count = 0
    updates: Count = 0
    deletes: Count = 0


class RequestLoad(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests of a month to the APIs: `rest`, `graphql` by the HTTP API, `appsync` operations with `fields` invocations each; average `milliseconds`
    of an invocation and `bytes` of a response; `updates` to subscribers and `connection_minutes`; `log_bytes` of one invocation."""

    rest: Count = 0
    graphql: Count = 0
    appsync: Count = 0
    fields: Average = 1
    milliseconds: Average = 20
    bytes: Average = 2000
    updates: Count = 0
    connection_minutes: Count = 0
    log_bytes: Average = 400


class Load(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load of an app: `stores` by name, `requests`, and `prices` that replace those of the table."""

    stores: dict[str, StoreLoad] = {}
    requests: RequestLoad = RequestLoad()
    prices: dict[str, Any] = {}


def load_of(given: Mapping[str, Any], stores: Collection[str]) -> Load:
    """Return the load that a document declares for these stores. `InvalidDeclaration` lists every mistake with its path."""
    faults = [_unknown(name, Load, "") for name in given if name not in Load.__struct_fields__]
    for name in given.get("stores", {}) if isinstance(given.get("stores"), Mapping) else ():
        if name not in stores:
            faults.append(Fault(f"/stores{pointer(name)}", "Not a store of the app", "one of " + ", ".join(stores)))
        else:
            _check(given["stores"][name], StoreLoad, f"/stores{pointer(name)}", faults)
    if "requests" in given:
        _check(given["requests"], RequestLoad, "/requests", faults)
    if not faults:
        try:
            return msgspec.convert(given, Load)
        except msgspec.ValidationError as error:
            faults.append(fault_of(error, "", Load))
    raise InvalidDeclaration("The load is not valid", faults=faults)


def _check(given: Any, kind: type[Struct], path: str, faults: list[Fault]) -> None:
    """Add a fault for each member that is not valid."""
    if not isinstance(given, Mapping):
        faults.append(Fault(path, "Not a table of numbers"))
        return
    for name, value in given.items():
        if name not in kind.__struct_fields__:
            faults.append(_unknown(name, kind, path))
            continue
        try:
            msgspec.convert({name: value}, kind)
        except msgspec.ValidationError as error:
            faults.append(fault_of(error, path, kind))


def _unknown(name: str, kind: type[Struct], path: str) -> Fault:
    return Fault(f"{path}{pointer(name)}", "Unknown member", "one of " + ", ".join(kind.__struct_fields__))
