"""Persisty stores, serves and deploys the data that an app declares once.

This module has the public names. Importing it imports no driver, no server and no AWS library.
"""

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
    "Aggregate",
    "App",
    "Append",
    "Attr",
    "BackendUnavailable",
    "BatchTooLarge",
    "BelongsTo",
    "BulkResult",
    "Cache",
    "Caller",
    "Change",
    "Conflict",
    "Create",
    "Delete",
    "EditResult",
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
    "ResultPage",
    "Rule",
    "ScanNotAllowed",
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
