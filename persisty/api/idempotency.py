"""`Idempotency-Key`: a repeated request is executed once, and gets the same response (draft-ietf-httpapi-idempotency-key-header).

A request with a key begins with a conditional create of its record, so that the engine lets one of several concurrent requests through. That request
has a lease on the record, is executed, and stores its response in the record. If the lease expires, the next request with the key takes over.

```
create the record ─► DONE    lease ─► execute ─► outcome: store the response, if the lease is still the same
                                             ─► otherwise: delete the record, so that the request can be repeated
                  ─► EXISTS  another fingerprint → 422 · response stored → replay it · lease not expired → 409
                             lease or record expired ─► take over on the condition that the record is unchanged, else read again
```

Every write sets a new random `holder`. A condition on it is a condition on the whole record: an optimistic lock.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from itertools import count
from uuid import uuid4

from ..application import App
from ..errors import (
    AnswerTooLarge,
    Conflict,
    Fault,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    PersistyError,
    PreconditionFailed,
)
from ..model.expressions import Compare
from ..model.verbs import carried_out
from ..store.edits import Delete
from ..store.idempotency_records import IdempotencyRecord
from ..store.store import context_of
from .action_access import admit
from .http.messages import IDEMPOTENCY_KEY, Request, Response, encode
from .http.problem import refusal
from .operations import ActionOperation, MultiStoreOperation, Operation

REPLAYED = "idempotency-replayed"
MAX_KEY = 255
MAX_STORED = 256 * 1024
"""The most bytes of a stored response. With its headers it must fit into an item of DynamoDB."""
LEASE = 120.0
"""Seconds after which the lease of a request in progress expires. Functions on AWS end after 28."""
RETRY_AFTER = 1
"""`Retry-After` in seconds for a request in progress."""
MAX_READS = 5
"""The most reads of a record that other requests change."""
OUTCOMES = frozenset({404, 409, 412})
"""Statuses of errors that are the outcome of a request: they are stored. After any other error nothing was done, and the next request with the key
is executed."""
PURGE_EVERY, PURGED = 25, 50
"""The number of requests between two purges, and the number of records that a purge reads: twice as many as were created since, so that at most
about half of all records are expired."""

OF_ONE_TOKEN = frozenset({"exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "aio", "rh", "uti"})
"""Claims that differ in each token of the same subject. They are not part of the fingerprint, so a request may be repeated with a refreshed
token. The last three are Microsoft's."""

_PLAIN = re.compile(rf"[!#-~][!-~]{{0,{MAX_KEY - 1}}}", re.ASCII)
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"', re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

log = logging.getLogger("persisty")


class Idempotency:
    """Executes an app's requests with a key. `clock`: seconds since 1970."""

    def __init__(self, app: App, clock: Callable[[], float] = time.time) -> None:
        self._app, self._store, self._lifetime = app, app.requests, app.idempotency or timedelta(0)
        self._clock, self._requests = clock, count(1)

    def answer(
        self, request: Request, carry_out: Callable[[], Response], operation: Operation | None = None
    ) -> Response:
        """Return the response of `carry_out`, or the one of the first request with this key.

        Raises the error of the operation for a caller that may not use it at all, and the errors of `once`. Any error of `carry_out` becomes its
        response.
        """
        if operation is not None:
            self._admit(operation, request)

        def outcome() -> tuple[Response, bool]:
            try:
                response = carry_out()
            except Exception as error:
                return refusal(error), isinstance(error, PersistyError) and self.is_outcome(error)
            return response, response.status < 300 or response.status in OUTCOMES

        return self.once(request, request.body, outcome)

    def once(self, request: Request, content: bytes, carry_out: Callable[[], tuple[Response, bool]]) -> Response:
        """Return the response of `carry_out`, or the one of the first request with this key. Raises an error of the key.

        `content`: the bytes by which a repeated request is recognized. `carry_out` also returns whether its response is the outcome of the
        request, which is then stored. Otherwise nothing was done, and the next request with the key is executed.
        """
        begun = self._begin(_id(request), _fingerprint(request, content))
        if isinstance(begun, Response):
            return begun
        response, final = carry_out()
        try:
            self._end(begun, response, final=final)
            if next(self._requests) % PURGE_EVERY == 0:
                self.purge()
        except PersistyError as error:  # the request was executed, so the client must get its response
            log.warning("%s: the response to a request could not be stored", error.code, exc_info=error)
        return response

    @staticmethod
    def is_outcome(error: PersistyError) -> bool:
        """Return whether a failed operation must not be executed again for the same key: the error is its outcome, or it may have written."""
        return error.status in OUTCOMES or bool(error.details.get("in_doubt") or error.details.get("written"))

    def admits(self, operation: Operation, request: Request) -> bool:
        """Return whether the caller may use the operation at all."""
        try:
            self._admit(operation, request)
        except PersistyError:
            return False
        return True

    def _admit(self, operation: Operation, request: Request) -> None:
        """Raise unless the caller may use the operation at all."""
        if isinstance(operation, ActionOperation):
            admit(operation.name, operation.access, request.caller)
            return
        if isinstance(operation, MultiStoreOperation):
            guards = [
                context_of(self._app.store(one.name).on_behalf_of(request.caller)).guard for one in operation.stores
            ]
            if not any(guard.allows(verb) for guard in guards for verb in carried_out(operation.name)):
                raise guards[0].refusal(f"Not allowed: {operation.name}")
            return
        meta, verb = operation.meta, operation.verb
        guard = context_of(operation.store.on_behalf_of(request.caller)).guard
        if not any(map(guard.allows, carried_out(verb))):
            raise guard.refusal(f"Not allowed: {verb} of {meta.name}")

    def _begin(self, name: str, fingerprint: str) -> IdempotencyRecord | Response:
        """Return the record with a new lease, or the stored response."""
        for _ in range(MAX_READS):
            at = self._clock()
            fresh = {
                "fingerprint": fingerprint,
                "until": at + LEASE,
                "expires": int(at + self._lifetime.total_seconds()) + 1,
            }
            try:
                return self._store.create({"id": name, **fresh})
            except Conflict:
                found = self._store.read(name)
            if found is None:  # another request has just deleted the record, because it may be repeated
                continue
            if found.expires > at:
                if found.fingerprint != fingerprint:
                    raise IdempotencyKeyReused()
                if found.status is not None:
                    return _replayed(found, found.status)
                if found.until > at:
                    break
            taken = {**fresh, "holder": uuid4(), "status": None, "headers": None, "body": None}
            try:
                renewed = self._store.update(name, taken, when=IdempotencyRecord.holder == found.holder)
            except PreconditionFailed:
                continue
            if renewed is not None:
                return renewed
        raise IdempotencyInProgress(retry_after=RETRY_AFTER)

    def _end(self, begun: IdempotencyRecord, response: Response, *, final: bool) -> None:
        """Store the response if it is the outcome of the request, else delete the record."""
        unchanged = IdempotencyRecord.holder == begun.holder
        try:
            if final:
                body = response.body if len(response.body) <= MAX_STORED else None
                stored = {"status": response.status, "headers": dict(response.headers), "body": body}
                self._store.update(begun.id, {**stored, "holder": uuid4()}, when=unchanged)
            else:
                self._store.delete(begun.id, when=unchanged)
        except PreconditionFailed:
            log.warning("a request took longer than %s seconds, and another was carried out with its key", LEASE)

    def purge(self) -> int:
        """Delete some expired records, unless the engine deletes them itself. Returns how many records were read.

        Ids are hashes, so the records after a random id are a random sample.
        """
        if context_of(self._store).backend.capabilities.expiring:
            return 0
        names = ("id", "expires")
        found = self._store.select(names, Compare("id", "ge", uuid4().hex), order="id", limit=PURGED).items
        over = Compare("expires", "le", int(self._clock()))
        deletions = [Delete(one["id"], over) for one in found if one["expires"] <= over.value]
        if deletions:
            self._store.edit_batch(deletions)
        return len(found)


def _replayed(found: IdempotencyRecord, status: int) -> Response:
    if found.body is None:
        raise AnswerTooLarge(
            f"The request is done, but responses of more than {MAX_STORED} bytes are not stored",
            limit=MAX_STORED,
            done=status,
        )
    return Response(status, {**(found.headers or {}), REPLAYED: "true"}, found.body)


def _id(request: Request) -> str:
    """Return the id of a request's record: a hash of the caller, the request and the key, so that no caller gets another's responses.

    Raises `IdempotencyKeyInvalid` if the header has no valid key. Anonymous callers cannot be distinguished, so their keys must be UUIDs, which
    others cannot guess.
    """
    caller, key = request.caller, _key(request.headers[IDEMPOTENCY_KEY])
    if caller.subject is None and not _UUID.fullmatch(key):
        raise _invalid("a UUID, because the request is anonymous")
    whose = [caller.claims.get("iss"), caller.subject]
    return sha256(encode([whose, request.method, request.path, key])).hexdigest()


def _key(given: str) -> str:
    """Return the key of a header, which may have the quotes of the draft."""
    text = given.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if (quoted is None and not _PLAIN.fullmatch(key)) or len(key) > MAX_KEY:
        raise _invalid(f"1 to {MAX_KEY} visible characters of ASCII, in quotes or without")
    return key


def _invalid(expected: str) -> IdempotencyKeyInvalid:
    return IdempotencyKeyInvalid(faults=[Fault("/Idempotency-Key", f"Expected {expected}", expected)])


def _fingerprint(request: Request, content: bytes) -> str:
    """Return a hash of the request and of the caller's scopes and claims, which access rules can read. The same subject under another tenant's
    claims may get another response."""
    media = request.headers.get("content-type", "").lower().replace(" ", "").replace('"', "")
    caller = request.caller
    claims = {name: value for name, value in caller.claims.items() if name not in OF_ONE_TOKEN}
    identity = encode([request.method, request.path, request.query, media, sorted(caller.scopes), claims])
    return sha256(identity + b"\n" + content).hexdigest()
