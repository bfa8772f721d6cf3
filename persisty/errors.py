"""Define every error that persisty reports: each has a stable code, an HTTP status and typed details.

The codes are part of the public interface: REST sends them as `code` in a problem document (RFC 9457), GraphQL as
`extensions.code`, AppSync as `errorType`. Nothing outside this module invents a code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct

MAX_FAULTS = 50
"""Faults that one response lists. Errors in Python may have more."""

SHOWN_FAULTS = 3
"""Faults in the `repr` of an error."""


class Fault(Struct, frozen=True, omit_defaults=True):
    """One mistake in an input.

    `path` is a JSON pointer into the input (`/items/3/age`; the empty pointer is the whole input). `expected`
    and `found` are short human-readable descriptions, never secrets or whole values.
    """

    path: str
    message: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        details = (("expected", self.expected), ("found", self.found))
        shown = [f"{word} {text}" for word, text in details if text is not None and text not in self.message]
        return f"{self.path or '/'}: {self.message}" + (f" ({', '.join(shown)})" if shown else "")


def encodable(value: Any) -> Any:
    """Return a text, or a value with texts, with U+FFFD in place of each lone surrogate, which JSON in UTF-8 cannot have."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Fault):
        return Fault(*(encodable(getattr(value, name)) for name in value.__struct_fields__))
    if isinstance(value, dict):
        return {encodable(name): encodable(one) for name, one in value.items()}
    return [encodable(one) for one in value] if isinstance(value, list) else value


class PersistyError(Exception):
    """Base of every error that persisty raises. `details` are JSON values, specific to the code. Every text is `encodable`."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str = "", *, faults: Sequence[Fault] = (), **details: Any) -> None:
        self.message: str = encodable(str(message)) if message else self.title
        self.faults = tuple(map(encodable, faults))
        self.details = {name: encodable(one) for name, one in details.items()}
        super().__init__(self.message)

    def __repr__(self) -> str:
        """Return the class, the message and the first faults."""
        shown = [str(fault) for fault in self.faults[:SHOWN_FAULTS]]
        shown += [f"and {len(self.faults) - SHOWN_FAULTS} more"] if len(self.faults) > SHOWN_FAULTS else []
        faults = f", faults=[{'; '.join(shown)}]" if shown else ""
        return f"{type(self).__name__}({self.message!r}{faults})"

    def __str__(self) -> str:
        """Return the message and a line for each fault: its path, its message, and the expected and found values."""
        return "\n".join([self.message, *(f"  {fault}" for fault in self.faults)])

    def report(self) -> str:
        """Return the text of `str` and the notes, such as the server that cannot be reached. It is for the people who run the app, not for callers."""
        return "\n".join([str(self), *(f"  {note}" for note in getattr(self, "__notes__", ()))])


class InvalidDeclaration(PersistyError):
    """A `@stored` class, an index, a key or an `App` contradicts itself. Raised while the module is imported."""

    code, status, title = "invalid_declaration", 500, "Invalid declaration"


class SchemaMismatch(PersistyError):
    """The stored items of an app do not fit its declaration. `faults` lists every difference, with what resolves it. Raised at the start, and by calls whose table, column or index does not exist, or which write less than the table requires."""

    code, status, title = "schema_mismatch", 500, "Schema mismatch"


class InvalidInput(PersistyError):
    """An item, a change or an edit breaks the declaration. `faults` lists every mistake."""

    code, status, title = "invalid_input", 422, "Invalid input"


class InvalidQuery(PersistyError):
    """A filter, an order or a limit is invalid, or the query takes a server's database too long. `faults` lists every mistake."""

    code, status, title = "invalid_query", 400, "Invalid query"


class ScanNotAllowed(PersistyError):
    """The query would scan a large table. Add the missing index, or pass `allow_scan=True`.

    `details["items"]` is the number of items in the table. `details["index"]` lists the attributes of the index that would
    answer the query, if an index can.
    """

    code, status, title = "scan_not_allowed", 400, "Scan not allowed"


class TooManyGroups(PersistyError):
    """The aggregate has more groups than one response may hold (`details["limit"]`)."""

    code, status, title = "too_many_groups", 422, "Too many groups"


class TooManyLinked(PersistyError):
    """The filter follows a link with more matches than this engine can join (`details["limit"]`)."""

    code, status, title = "too_many_linked", 422, "Too many linked items"


class AnswerTooLarge(PersistyError):
    """The response, the items of a batch of keys, or the items behind one link have too many bytes (`details["limit"]`). Request fewer items or fewer `fields`.

    A response has a limit of its host. The items behind one link have at most 16 MB together, and `faults` names the link.

    `details["done"]` is the status of a request that was done although its response is missing: on AWS a write with a response beyond 6 MB,
    or an earlier request with the same idempotency key, whose response was too large to be stored.
    """

    code, status, title = "answer_too_large", 422, "Answer too large"


class TooComplex(PersistyError):
    """The response to this GraphQL request could hold too many values (`details["limit"]`, `details["found"]`)."""

    code, status, title = "too_complex", 400, "Too complex"


class InvalidCursor(PersistyError):
    """The cursor is malformed or belongs to another query."""

    code, status, title = "invalid_cursor", 400, "Invalid cursor"


class MalformedJson(PersistyError):
    """The body is not JSON."""

    code, status, title = "malformed_json", 400, "Malformed JSON"


class MalformedRequest(PersistyError):
    """The request is not HTTP: an unknown method, a path that is not ASCII, not UTF-8 or badly percent-encoded, or `Host` missing, repeated or malformed. Nothing was done."""

    code, status, title = "malformed_request", 400, "Malformed request"


class MalformedGraphql(PersistyError):
    """The GraphQL document does not parse or does not match the schema."""

    code, status, title = "malformed_graphql", 400, "Malformed GraphQL"


class PersistedQueryNotFound(PersistyError):
    """The server does not know the document with this hash. Send the request again with its text. Clients look for the title."""

    code, status, title = "persisted_query_not_found", 400, "PersistedQueryNotFound"


class UndeclaredDocument(PersistyError):
    """The app executes declared GraphQL documents only, and this document is not one of them."""

    code, status, title = "undeclared_document", 403, "Undeclared document"


class Unauthenticated(PersistyError):
    """The caller did not prove who it is. `details["error"]` is `invalid_token` if the request had a token."""

    code, status, title = "unauthenticated", 401, "Unauthenticated"


class Forbidden(PersistyError):
    """The caller may not do this."""

    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(PersistyError):
    """The route or the item does not exist, or the caller may not see it."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(PersistyError):
    """The route does not answer this method. `details["allow"]` lists the methods that it answers."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class NotAcceptable(PersistyError):
    """The route has no media type that the request's `Accept` allows. `details["offered"]` lists the media types that it has."""

    code, status, title = "not_acceptable", 406, "Not acceptable"


class Conflict(PersistyError):
    """The key or a unique value is taken (`details["attributes"]` lists the attributes), or items that belong to a deleted one block it
    (`details["store"]`, if the caller may read all of it). Nothing was written."""

    code, status, title = "conflict", 409, "Conflict"


class IdempotencyKeyInvalid(PersistyError):
    """The `Idempotency-Key` is not 1 to 255 visible ASCII characters, or an anonymous caller sent a key that is not a UUID."""

    code, status, title = "idempotency_key_invalid", 400, "Invalid idempotency key"


class IdempotencyKeyReused(PersistyError):
    """The `Idempotency-Key` was used with a different request before. Nothing was done."""

    code, status, title = "idempotency_key_reused", 422, "Idempotency key reused"


class IdempotencyInProgress(PersistyError):
    """A request with this `Idempotency-Key` is in progress. Retry after `details["retry_after"]` seconds."""

    code, status, title = "idempotency_in_progress", 409, "Request in progress"


class PreconditionFailed(PersistyError):
    """The condition of the write was false. Nothing was written. `item` is the item at that moment."""

    code, status, title = "precondition_failed", 412, "Precondition failed"

    def __init__(self, message: str = "", *, item: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.item = item


class PreconditionRequired(PersistyError):
    """Updates and deletes of this item need a condition: `If-Match`, `If-Unmodified-Since` if the item has a time of change, or `when`. Nothing was written."""

    code, status, title = "precondition_required", 428, "Precondition required"


class PayloadTooLarge(PersistyError):
    """The body is larger than the server accepts."""

    code, status, title = "payload_too_large", 413, "Payload too large"


class HeadersTooLarge(PersistyError):
    """The request line and the headers are larger than the server accepts (`details["limit"]`, in bytes), or too many (`details["headers"]`)."""

    code, status, title = "headers_too_large", 431, "Headers too large"


class RequestTimeout(PersistyError):
    """The request did not arrive in time. The connection is closed, and nothing was done."""

    code, status, title = "request_timeout", 408, "Request timeout"


class BatchTooLarge(PersistyError):
    """The batch has more keys or edits than one call accepts, or than the engine can write atomically. Nothing was written."""

    code, status, title = "batch_too_large", 413, "Batch too large"


class UnsupportedMediaType(PersistyError):
    """The `Content-Type` of the body is not JSON in UTF-8."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"


class Aborted(PersistyError):
    """The edit was not written because another edit of the same atomic batch failed."""

    code, status, title = "aborted", 424, "Aborted"


class RateLimited(PersistyError):
    """The caller sent too many requests. Wait `details["retry_after"]` seconds; `Retry-After` has the same value."""

    code, status, title = "rate_limited", 429, "Rate limited"


class TriggerLoop(PersistyError):
    """Before triggers cause each other without an end: more than `details["limit"]` of them run within each other. Nothing was written."""

    code, status, title = "trigger_loop", 500, "Trigger loop"


class Unfinished(PersistyError):
    """The item still exists: more items belong to it than one call deletes. Call again. `details["done"]` counts the items done."""

    code, status, title = "unfinished", 503, "Unfinished"


class NotReady(PersistyError):
    """The server is not ready. `details["reason"]` is `starting`, `draining`, or `engine` if the engine does not answer or takes no writes."""

    code, status, title = "not_ready", 503, "Not ready"


class Unsupported(PersistyError):
    """The engine does not have the capability that the call needs."""

    code, status, title = "unsupported", 501, "Unsupported"


class Throttled(PersistyError):
    """The engine rejected the call because of load, after all retries."""

    code, status, title = "throttled", 503, "Throttled"


class SubscriptionOverrun(PersistyError):
    """Changes arrived faster than the subscriber read them. Subscribe again, then read the items that changed meanwhile."""

    code, status, title = "subscription_overrun", 503, "Subscription overrun"


class TooManySubscriptions(PersistyError):
    """The connection has too many operations at one time (`details["limit"]`)."""

    code, status, title = "too_many_subscriptions", 429, "Too many subscriptions"


class BackendUnavailable(PersistyError):
    """The engine could not be reached, or failed after all retries."""

    code, status, title = "backend_unavailable", 503, "Backend unavailable"


class UnreadableItem(PersistyError):
    """A stored item does not fit its declaration. Update these attributes to repair it, or delete it.

    `details["store"]`, `details["key"]` and `details["attributes"]` name it. `details["written"]` is true if the change of the request was
    written, and only the response lacks the item. `details["items"]` lists all such items of an export.
    """

    code, status, title = "unreadable_item", 500, "Unreadable item"

    def __init__(
        self,
        message: str = "",
        *,
        others: Sequence[Any] = (),
        by_position: Mapping[int, UnreadableItem] | None = None,
        **details: Any,
    ) -> None:
        """`others`: the items that the call would have returned, None for each that cannot be read. `by_position`: the errors of these."""
        super().__init__(message, **details)
        self.others, self.by_position = list(others), dict(by_position or {})


class InternalError(PersistyError):
    """An unexpected failure. The response has no message of the cause and no stack trace."""

    code, status, title = "internal_error", 500, "Internal error"


def all_errors(root: type[PersistyError] = PersistyError) -> list[type[PersistyError]]:
    """Return every error class below `root`, sorted by code: the source of the error table in the docs and in OpenAPI."""
    found = {error.code: error for error in root.__subclasses__()}
    return [found[code] for code in sorted(found)]
