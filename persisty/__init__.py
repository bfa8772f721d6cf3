"""Persisty: declare data once; have it stored, served and deployed.

These are the public names. Importing them loads no driver, no server and no AWS library.
"""

from .application import App
from .errors import (
    Aborted,
    BackendUnavailable,
    BatchTooLarge,
    Conflict,
    Fault,
    InvalidCursor,
    InvalidDeclaration,
    InvalidInput,
    InvalidQuery,
    PersistyError,
    PreconditionFailed,
    Throttled,
    Unsupported,
)
from .model.expressions import Filter, OrderBy, attribute
from .model.generators import CREATED, UPDATED, UUID4, UUID4_TEXT, VERSION, Generator
from .model.indexes import Index
from .model.meta import StoreMeta, meta_of
from .model.stored import GENERATED, Attr, stored
from .security.access import Access, private, public, read_only
from .store.edits import Create, Delete, EditResult, Update
from .store.store import ResultPage, Store

__version__ = "0.1.0"

__all__ = [
    "CREATED",
    "GENERATED",
    "UPDATED",
    "UUID4",
    "UUID4_TEXT",
    "VERSION",
    "Aborted",
    "Access",
    "App",
    "Attr",
    "BackendUnavailable",
    "BatchTooLarge",
    "Conflict",
    "Create",
    "Delete",
    "EditResult",
    "Fault",
    "Filter",
    "Generator",
    "Index",
    "InvalidCursor",
    "InvalidDeclaration",
    "InvalidInput",
    "InvalidQuery",
    "OrderBy",
    "PersistyError",
    "PreconditionFailed",
    "ResultPage",
    "Store",
    "StoreMeta",
    "Throttled",
    "Unsupported",
    "Update",
    "attribute",
    "meta_of",
    "private",
    "public",
    "read_only",
    "stored",
]
