"""What answers tell caches, and what requests say of the version they know: `ETag`, `Last-Modified`, `Cache-Control`, `Vary`.

A tag is a hash of the very bytes, for callers may see different parts of one item. That of an item which counts its versions has
the version before it, so that a conditional write needs no read: the version travels with it, as its condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from msgspec import UNSET, Struct

from ...errors import Conflict, PersistyError, PreconditionFailed
from ...model.cache_policy import Cache, cache_of
from ...model.expressions import ALL, NOTHING, And, Compare, Filter, Or
from ...model.generators import UPDATED, VERSION, Generator
from ...model.meta import Attribute, StoreMeta, per_meta
from ...model.types import INTEGER_MAX, Kind
from ...model.verbs import VERBS
from ...query.filter_algebra import combine
from ...store.store import Store
from ..operations import Operation, StoreOperation
from .compression import unmodified
from .messages import JSON, Request, Response, encode, varying
from .preconditions import ANY, Preconditions, Tags, http_date, preconditions, strongly, weakly

HASH = 12
"""Bytes of a hash: 96 bits."""
NEVER = Cache()
SECOND = timedelta(seconds=1)
NOTHING_MORE: Mapping[str, str] = {}


class Validators(Struct, frozen=True):
    """The attributes of an item that tell its versions apart, as far as everybody who may read the item may see them. `version` is
    counted by the engine, `updated` set with every write; `modified` is what `Last-Modified` tells."""

    version: Attribute | None = None
    updated: Attribute | None = None
    modified: Attribute | None = None

    def tag(self, body: bytes, item: Any = None) -> str:
        """The tag of an item's bytes, or of those of anything else."""
        digest = blake2b(body, digest_size=HASH).hexdigest()
        version = None if item is None or self.version is None else self.version.get(item)
        return f'"{version}.{digest}"' if isinstance(version, int) else f'"{digest}"'

    def date(self, item: Any) -> datetime | None:
        """When the item last changed, where that is known."""
        found = None if item is None or self.modified is None else self.modified.get(item)
        return found if isinstance(found, datetime) else None


@per_meta
def validators(meta: StoreMeta[Any]) -> Validators:
    """Those of an item."""
    version, updated = _generated(meta, VERSION), _generated(meta, UPDATED)
    named = meta.cache.modified if meta.cache else None
    modified = meta.attributes[named] if named else updated
    return Validators(version, updated, modified if modified and modified.readable is True else None)


def _generated(meta: StoreMeta[Any], generator: Generator) -> Attribute | None:
    """The attribute that only the generator ever sets, and that is hidden from nobody."""
    found = (one for one in meta.attributes.values() if one.generator is generator)
    return next((one for one in found if one.readable is True and one.updatable is False), None)


class Answers:
    """Makes the answers to the GETs of one operation."""

    def __init__(self, operation: Operation, *varies: str) -> None:
        """`varies`: the headers of requests that tell its answers apart, beside those that tell who asks."""
        self._varies = varies
        self._validators = validators(operation.meta) if isinstance(operation, StoreOperation) else Validators()
        self._told = _told(operation)

    def answer(
        self,
        request: Request,
        content: Any,
        item: Any = None,
        *,
        included: bool = False,
        more: Mapping[str, str] = NOTHING_MORE,
    ) -> Response:
        """200 with the content; 304 without it for a client that knows this version. `item`: the one that the content is.
        `included`: items of other stores are in it, so that the item's own version and time are not its. `more`: headers
        of the content. `PreconditionFailed` where the request asks for another version."""
        body = encode(content)
        found, told = self._validators, MIXED if included else self._told(content, body)
        item = None if included else item
        tag, modified = told.tag or found.tag(body, item), told.modified or found.date(item)
        headers = {"etag": tag, **told.headers}
        if self._varies:
            headers = varying(headers, *self._varies)
        if modified is not None:
            headers["last-modified"] = http_date(modified)
        asked = preconditions(request.headers, reading=True)
        status = 200 if asked is None else asked.of_read(tag, modified)
        if status == 412:
            raise PreconditionFailed(item=item)
        if status == 304:
            return Response(304, unmodified(request, headers, tag, len(body)))
        return Response(200, {**JSON, **headers, **more}, body)

    def written(self, item: Any, status: int, headers: Mapping[str, str]) -> Response:
        """The answer to a write of an item, with the validators of its new version."""
        body = encode(item)
        validating = {"etag": self._validators.tag(body, item)}
        if modified := self._validators.date(item):
            validating["last-modified"] = http_date(modified)
        return Response(status, {**JSON, **headers, **validating}, body)


class Told(Struct, frozen=True):
    """What an operation has to say of an answer: `tag` and `modified` only where it is a custom action that knows better."""

    headers: Mapping[str, str]
    tag: str | None = None
    modified: datetime | None = None


MIXED = Told({"cache-control": "private, no-cache", "vary": "authorization"})
"""Of an answer with items whose own rules and caches are not looked at."""


def _told(operation: Operation) -> Callable[[Any, bytes], Told]:
    if isinstance(operation, StoreOperation):
        told = Told(_headers(operation.meta.cache or NEVER, everybody=shared(operation.meta, operation.verb)))
        return lambda content, body: told
    action = operation.action
    anybody, control = bool(action.access_control.is_executable(None)), action.cache_control
    known = NEVER if control is None else cache_of(control)
    if known is None:
        return lambda content, body: _asked(control, content, body, anybody)
    headers, name = _headers(known, everybody=anybody and known.public), known.modified
    return lambda content, body: Told(headers, modified=_moment(content, name) if name else None)


def shared(meta: StoreMeta[Any], verb: str, known: frozenset[str] = frozenset()) -> bool:
    """Does everybody get the same answer? Where a query may go through links, the rules of what they lead to count as well."""
    free = meta.access is not None and meta.access.of(verb).constant is True
    if not free or not all(one.readable is True or one.readable is False for one in meta.attributes.values()):
        return False
    if not VERBS[verb].filtered:
        return True
    beyond = [one.ends.target for one in meta.links.values()]
    return all(one.name in known or shared(one, "search", known | {meta.name}) for one in beyond)


def _headers(cache: Cache, *, everybody: bool) -> dict[str, str]:
    directives = ["public" if everybody and cache.public else "private"]
    directives.append(f"max-age={cache.seconds}" if cache.seconds else "no-cache")
    if cache.must_revalidate and cache.seconds:
        directives.append("must-revalidate")
    return {"cache-control": ", ".join(directives), **({} if everybody else {"vary": "authorization"})}


def _asked(control: Any, content: Any, body: bytes, anybody: bool) -> Told:
    """What a cache control of the app's own says of this answer."""
    said = control.get_cache_header_from_content(body)
    left = 0 if said.expire_at is None else int((said.expire_at - datetime.now(said.expire_at.tzinfo)).total_seconds())
    cache = Cache(max(left, 0), not said.private, said.must_revalidate)
    opaque = blake2b(str(said.etag).encode(), digest_size=HASH).hexdigest() if said.etag else None
    return Told(_headers(cache, everybody=anybody and cache.public), opaque and f'"{opaque}"', _aware(said.updated_at))


def _moment(content: Any, name: str) -> datetime | None:
    return _aware(content.get(name) if isinstance(content, Mapping) else getattr(content, name, None))


def _aware(moment: Any) -> datetime | None:
    return moment.astimezone() if isinstance(moment, datetime) else None


# Conditional writes


def taken(request: Request, meta: StoreMeta[Any], error: Conflict) -> PersistyError:
    """The error of a create whose key is taken, for a client that may have said by `If-None-Match: *` that it reckons with it."""
    asked = preconditions(request.headers)
    if asked is None or asked.none_match != ANY or error.details.get("attributes") != list(meta.key.attributes):
        return error
    return PreconditionFailed(error.message)


class Known(Struct, frozen=True):
    """What the client knows of the item that it writes. Called with the store and the key it is the condition that travels with the write.

    The condition of an item that counts its versions is the version, which the tag tells. Of any other the tag is compared with
    the item's, which is read, and the condition is that it still is what was read:

        this request:  read, compare the tag ──────────────── write if still the same → refused, 412
        another one:                          write, DONE ──┘
    """

    asked: Preconditions

    def names(self, meta: StoreMeta[Any]) -> bool:
        """Whether it says which versions may be overwritten, if only that any may (`If-Match: *`), in words that count with this item."""
        since = self.asked.unmodified_since is not None and validators(meta).modified is not None
        return self.asked.match is not None or since

    def __call__(self, store: Store[Any], key: str) -> Filter:
        return _condition(self.asked, store, key)


def precondition(request: Request) -> Known | None:
    """What the request's headers ask of the item before it is written; None if nothing. An item that is not there is not found,
    whatever was asked of it."""
    asked = preconditions(request.headers)
    return None if asked is None else Known(asked)


def _condition(asked: Preconditions, store: Store[Any], key: str) -> Filter:
    found = validators(store.meta)
    conditions: list[Filter] = []
    if asked.match is None and asked.unmodified_since is not None and found.modified is not None:
        until = Compare(found.modified.name, "lt", asked.unmodified_since + SECOND)
        conditions.append(Or((until, Compare(found.modified.name, "null", True))) if found.modified.optional else until)
    if found.version is not None and asked.none_match != ANY:
        name = found.version.name
        if asked.match not in (None, ANY):
            conditions.append(Compare(name, "oneof", versions) if (versions := _versions(asked.match)) else NOTHING)
        conditions += [Compare(name, "ne", one) for one in _versions(asked.none_match)]
    elif asked.match not in (None, ANY) or asked.none_match is not None:
        conditions.append(_same(asked, store, key))
    return combine(And, conditions)


def _versions(tags: Tags | None) -> tuple[int, ...]:
    """The versions that tags tell."""
    told = [one.removeprefix("W/").strip('"').partition(".") for one in tags or () if one != ANY]
    numbers = [
        int(number) for number, dot, _ in told if dot and number.isascii() and number.isdigit() and len(number) < 20
    ]
    return tuple(dict.fromkeys(number for number in numbers if number <= INTEGER_MAX))


def _same(asked: Preconditions, store: Store[Any], key: str) -> Filter:
    item = store.read(key)
    if item is None:
        return ALL
    tag = validators(store.meta).tag(encode(item), item)
    if asked.match is not None and not strongly(tag, asked.match):
        raise PreconditionFailed(item=item)
    if asked.none_match is not None and weakly(tag, asked.none_match):
        raise PreconditionFailed(item=item)
    return unchanged(store.meta, item)


def unchanged(meta: StoreMeta[Any], item: Any) -> Filter:
    """The condition that an item still is as it was read, as far as it was seen, and as lists and objects can be compared: where there
    is a time that every update sets, that says it all."""
    updated = validators(meta).updated
    if updated is not None and updated.get(item) is not None:
        return Compare(updated.name, "eq", updated.get(item))
    seen = [one for one in meta.attributes.values() if one.get(item) is not UNSET]
    within = [one for one in meta.nested.values() if any(whole.name == one.root for whole in seen)]
    return And(tuple(_is(one, one.get(item)) for one in (*seen, *within)))


def _is(attribute: Attribute, value: Any) -> Filter:
    if value is None or attribute.kind is Kind.JSON:
        return Compare(attribute.name, "null", value is None)
    return Compare(attribute.name, "eq", value)
