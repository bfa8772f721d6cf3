"""System stores: one registry of the items that persisty itself stores, declared like any other item.

To add one, add a row to `SYSTEM_STORES`. `App.prepare` creates its table, the plan deploys it if functions use it, and no surface offers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from ..model.meta import StoreMeta
from .idempotency_records import REQUESTS
from .schema_records import APPLIED
from .timer_records import TIMERS


class Needs(Protocol):
    """The properties of an app that decide which system stores it needs."""

    @property
    def stores_responses(self) -> bool:
        """Return whether responses to requests with an `Idempotency-Key` are stored."""
        ...

    @property
    def records_schemas(self) -> bool:
        """Return whether the schemas that were applied last are recorded."""
        ...

    @property
    def has_timers(self) -> bool:
        """Return whether an action has a timer."""
        ...


class SystemStore(Struct, frozen=True):
    """A store of persisty's own. `needed`: returns whether an app needs it. `deployed`: whether deployed functions use it."""

    meta: StoreMeta[Any]
    needed: Callable[[Needs], bool]
    deployed: bool = True


SYSTEM_STORES: tuple[SystemStore, ...] = (
    SystemStore(REQUESTS, lambda app: app.stores_responses),
    SystemStore(APPLIED, lambda app: app.records_schemas, deployed=False),
    SystemStore(TIMERS, lambda app: app.has_timers, deployed=False),
)
