"""Persisty stores, serves and deploys the data that an app declares once.

This module has the public names. Importing it imports no driver, no server and no AWS library, and none of the modules of `LAZY`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .application import App
from .errors import (
    Aborted,
    BackendUnavailable,
    BatchTooLarge,
    Conflict,
    Fault,
    Forbidden,
    InvalidCursor,
    InvalidDeclaration,
    InvalidInput,
    InvalidQuery,
    NotFound,
    PersistyError,
    PreconditionFailed,
    ScanNotAllowed,
    SchemaMismatch,
    Throttled,
    TooManyGroups,
    Unauthenticated,
    UnreadableItem,
    Unsupported,
)
from .model.access import Access, private, public, read_only
from .model.attribute_declaration import Attr
from .model.cache_policy import Cache
from .model.expressions import COUNT, Aggregate, Filter, OrderBy
from .model.generators import (
    CREATED,
    GENERATED,
    SEQUENCE,
    SUBJECT,
    UPDATED,
    UUID4,
    UUID4_TEXT,
    UUID7,
    UUID7_TEXT,
    VERSION,
    Add,
    Append,
    Generator,
    acting_as,
    add,
    append,
)
from .model.indexes import Index, Unique
from .model.links import BelongsTo, HasCount, HasMany, HasOne, link
from .model.meta import StoreMeta, meta_of
from .model.pages import ResultPage
from .model.rules import Rule, authenticated, claim, custom, everyone, linked, member, nobody, owned, scope, where
from .model.stored import stored
from .query.aggregate import Group
from .query.explain import Explanation
from .security.caller import ANONYMOUS, Caller
from .store.change_feed import Change
from .store.edits import BulkResult, Create, Delete, EditResult, Update
from .store.store import Store

if TYPE_CHECKING:
    from .triggers.calls import current_event
    from .triggers.changes import (
        After,
        AfterCreate,
        AfterDelete,
        AfterUpdate,
        Before,
        BeforeCreate,
        BeforeDelete,
        BeforeUpdate,
    )
    from .triggers.event import Event
    from .triggers.timed import Cron, Queue, Scheduled
    from .triggers.trigger import Retry

LAZY = {
    **dict.fromkeys(("After", "AfterCreate", "AfterDelete", "AfterUpdate"), "persisty.triggers.changes"),
    **dict.fromkeys(("Before", "BeforeCreate", "BeforeDelete", "BeforeUpdate"), "persisty.triggers.changes"),
    **dict.fromkeys(("Cron", "Queue", "Scheduled"), "persisty.triggers.timed"),
    "Event": "persisty.triggers.event",
    "Retry": "persisty.triggers.trigger",
    "current_event": "persisty.triggers.calls",
}
"""Public name → its module, which is imported when the name is used first."""


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(LAZY[name]), name)
    return value


__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "COUNT",
    "CREATED",
    "GENERATED",
    "SEQUENCE",
    "SUBJECT",
    "UPDATED",
    "UUID4",
    "UUID4_TEXT",
    "UUID7",
    "UUID7_TEXT",
    "VERSION",
    "Aborted",
    "Access",
    "Add",
    "After",
    "AfterCreate",
    "AfterDelete",
    "AfterUpdate",
    "Aggregate",
    "App",
    "Append",
    "Attr",
    "BackendUnavailable",
    "BatchTooLarge",
    "Before",
    "BeforeCreate",
    "BeforeDelete",
    "BeforeUpdate",
    "BelongsTo",
    "BulkResult",
    "Cache",
    "Caller",
    "Change",
    "Conflict",
    "Create",
    "Cron",
    "Delete",
    "EditResult",
    "Event",
    "Explanation",
    "Fault",
    "Filter",
    "Forbidden",
    "Generator",
    "Group",
    "HasCount",
    "HasMany",
    "HasOne",
    "Index",
    "InvalidCursor",
    "InvalidDeclaration",
    "InvalidInput",
    "InvalidQuery",
    "NotFound",
    "OrderBy",
    "PersistyError",
    "PreconditionFailed",
    "Queue",
    "ResultPage",
    "Retry",
    "Rule",
    "ScanNotAllowed",
    "Scheduled",
    "SchemaMismatch",
    "Store",
    "StoreMeta",
    "Throttled",
    "TooManyGroups",
    "Unauthenticated",
    "Unique",
    "UnreadableItem",
    "Unsupported",
    "Update",
    "acting_as",
    "add",
    "append",
    "authenticated",
    "claim",
    "current_event",
    "custom",
    "everyone",
    "link",
    "linked",
    "member",
    "meta_of",
    "nobody",
    "owned",
    "private",
    "public",
    "read_only",
    "scope",
    "stored",
    "where",
]
