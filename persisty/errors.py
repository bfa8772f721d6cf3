"""The one error tree: every failure that persisty reports has a stable code, an HTTP status and typed details.

The codes are part of the public interface: REST sends them as `code` in a problem document (RFC 9457), GraphQL as
`extensions.code`, AppSync as `errorType`. Nothing outside this module invents a code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct


class Fault(Struct, frozen=True, omit_defaults=True):
    """One thing wrong with an input.

    `path` is a JSON pointer into what was sent (`/items/3/age`; the empty pointer is the whole input), `expected`
    and `found` are short human-readable descriptions, never secrets or whole values.
    """

    path: str
    message: str
    expected: str | None = None
    found: str | None = None


class PersistyError(Exception):
    """Base of all errors raised on purpose. `details` are JSON-able extras specific to the code."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str = "", *, faults: Sequence[Fault] = (), **details: Any) -> None:
        self.message = message or self.title
        self.faults = tuple(faults)
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {fault.path or '/'}: {fault.message}" for fault in self.faults)])


class InvalidDeclaration(PersistyError):
    """A `@stored` class, an index, a key or an App contradicts itself. Raised while the module is imported."""

    code, status, title = "invalid_declaration", 500, "Invalid declaration"


class InvalidInput(PersistyError):
    """An item, changes or edits break the declaration; `faults` lists everything that is wrong."""

    code, status, title = "invalid_input", 422, "Invalid input"


class InvalidQuery(PersistyError):
    """A filter, an order or a limit that cannot be asked; `faults` lists everything that is wrong."""

    code, status, title = "invalid_query", 400, "Invalid query"


class ScanNotAllowed(PersistyError):
    """Every item of a large table would be looked at; `allow_scan` lets it be.

    `details["items"]`: how many there are; `details["index"]`: the attributes of the index that would answer the query, if
    one would.
    """

    code, status, title = "scan_not_allowed", 400, "Scan not allowed"


class TooManyGroups(PersistyError):
    """An aggregate made more groups than one answer may have (`details["limit"]`)."""

    code, status, title = "too_many_groups", 422, "Too many groups"


class TooManyLinked(PersistyError):
    """A filter goes through a link that has more matches than this engine can join (`details["limit"]`)."""

    code, status, title = "too_many_linked", 422, "Too many linked items"


class AnswerTooLarge(PersistyError):
    """The answer is larger than the host can send (`details["limit"]`, in bytes). Ask for fewer items, or fewer `fields`.

    `details["done"]`: it is that of a request which was done with this status, and was too large to be kept.
    """

    code, status, title = "answer_too_large", 422, "Answer too large"


class TooComplex(PersistyError):
    """A GraphQL request whose answer might hold more values than one may (`details["limit"]`, `details["found"]`)."""

    code, status, title = "too_complex", 400, "Too complex"


class InvalidCursor(PersistyError):
    """A cursor that is malformed or belongs to another query."""

    code, status, title = "invalid_cursor", 400, "Invalid cursor"


class MalformedJson(PersistyError):
    """The body is not JSON."""

    code, status, title = "malformed_json", 400, "Malformed JSON"


class MalformedGraphql(PersistyError):
    """A GraphQL document that does not parse or does not fit the schema."""

    code, status, title = "malformed_graphql", 400, "Malformed GraphQL"


class PersistedQueryNotFound(PersistyError):
    """The server does not know the text of the hash; it is sent again with the text. The title is what clients look for."""

    code, status, title = "persisted_query_not_found", 400, "PersistedQueryNotFound"


class UndeclaredDocument(PersistyError):
    """Only the documents that the app declares are executed, and this is none of them."""

    code, status, title = "undeclared_document", 403, "Undeclared document"


class Unauthenticated(PersistyError):
    """Who the caller is could not be established. `details["error"]` is `invalid_token` if there was a token."""

    code, status, title = "unauthenticated", 401, "Unauthenticated"


class Forbidden(PersistyError):
    """The caller may not do this."""

    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(PersistyError):
    """A route or an item that does not exist, or that the caller may not see."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(PersistyError):
    """`details["allow"]` lists the methods the route does answer."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class NotAcceptable(PersistyError):
    """The request's `Accept` admits nothing that the route gives. `details["offered"]`: the media types that it does."""

    code, status, title = "not_acceptable", 406, "Not acceptable"


class Conflict(PersistyError):
    """The key, or a unique value, is taken. Nothing was written. `details["attributes"]`: those whose values are taken."""

    code, status, title = "conflict", 409, "Conflict"


class IdempotencyKeyInvalid(PersistyError):
    """An `Idempotency-Key` that is not 1 to 255 visible characters of ASCII; or of a caller that is nobody, and not a UUID."""

    code, status, title = "idempotency_key_invalid", 400, "Invalid idempotency key"


class IdempotencyKeyReused(PersistyError):
    """The `Idempotency-Key` came with another request before. Nothing was done."""

    code, status, title = "idempotency_key_reused", 422, "Idempotency key reused"


class IdempotencyInProgress(PersistyError):
    """The request with this `Idempotency-Key` is being carried out. Ask again after `details["retry_after"]` seconds."""

    code, status, title = "idempotency_in_progress", 409, "Request in progress"


class PreconditionFailed(PersistyError):
    """The `when` of a write was false. `item` is the item as it was at that moment. Nothing was written."""

    code, status, title = "precondition_failed", 412, "Precondition failed"

    def __init__(self, message: str = "", *, item: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.item = item


class PreconditionRequired(PersistyError):
    """The item is updated and deleted on a condition only: `If-Match`, `If-Unmodified-Since` or `when`. Nothing was written."""

    code, status, title = "precondition_required", 428, "Precondition required"


class PayloadTooLarge(PersistyError):
    """The body is larger than the server takes."""

    code, status, title = "payload_too_large", 413, "Payload too large"


class BatchTooLarge(PersistyError):
    """More keys or edits than one call takes, or than the engine can write atomically. Nothing was written."""

    code, status, title = "batch_too_large", 413, "Batch too large"


class UnsupportedMediaType(PersistyError):
    """The body is not said to be JSON in UTF-8."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"


class Aborted(PersistyError):
    """Not written because another edit of the same atomic batch failed."""

    code, status, title = "aborted", 424, "Aborted"


class RateLimited(PersistyError):
    """The caller asked too often. `details["retry_after"]`: the seconds to wait, which `Retry-After` tells, too."""

    code, status, title = "rate_limited", 429, "Rate limited"


class Unfinished(PersistyError):
    """More belongs to a deleted item than one call deletes; it is still there. `details["done"]`: how much is done. Call again."""

    code, status, title = "unfinished", 503, "Unfinished"


class NotReady(PersistyError):
    """The server cannot be asked at the moment. `details["reason"]`: it is `starting`, `draining`, or its `engine` does not answer."""

    code, status, title = "not_ready", 503, "Not ready"


class Unsupported(PersistyError):
    """The engine lacks the capability that was asked for."""

    code, status, title = "unsupported", 501, "Unsupported"


class Throttled(PersistyError):
    """The engine kept refusing for load after bounded retries."""

    code, status, title = "throttled", 503, "Throttled"


class SubscriptionOverrun(PersistyError):
    """More changes came than a subscriber took. Subscribe again, and read what was missed."""

    code, status, title = "subscription_overrun", 503, "Subscription overrun"


class TooManySubscriptions(PersistyError):
    """More operations at a time than one connection may have. `details["limit"]`."""

    code, status, title = "too_many_subscriptions", 429, "Too many subscriptions"


class BackendUnavailable(PersistyError):
    """The engine could not be reached, or kept failing after bounded retries."""

    code, status, title = "backend_unavailable", 503, "Backend unavailable"


class InternalError(PersistyError):
    """Anything unforeseen, as the outside sees it: no message of the cause, no stack trace."""

    code, status, title = "internal_error", 500, "Internal error"


def all_errors(root: type[PersistyError] = PersistyError) -> list[type[PersistyError]]:
    """Every error class below `root`, by code: the source of the error table in the docs and in OpenAPI."""
    found = {error.code: error for error in root.__subclasses__()}
    return [found[code] for code in sorted(found)]
