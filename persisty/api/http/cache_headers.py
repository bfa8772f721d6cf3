"""Cache headers of responses and conditional requests: `ETag`, `Last-Modified`, `Cache-Control`, `Vary`, `If-Match` and the others.

An ETag is a hash of the exact bytes, because callers may see different attributes of one item. The ETag of an item with a version starts with the
version. A conditional write then needs no read: the version is its condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from ...errors import PreconditionFailed
from ...model.cache_policy import Cache, cache_of
from ...model.contained_items import depends_on_caller, may_contain_items
from ...model.generators import UPDATED, VERSION, Generator
from ...model.meta import Attribute, StoreMeta, per_meta
from ...model.verbs import VERBS
from ..operations import ActionOperation, StoreOperation
from .compression import unmodified
from .messages import JSON, Request, Response, encode, encode_items, varying
from .preconditions import http_date, preconditions

HASH = 12
"""Bytes of a hash: 96 bits."""
NEVER = Cache()
NO_HEADERS: Mapping[str, str] = {}


class Validators(Struct, frozen=True):
    """The attributes that distinguish the versions of an item, if every caller who may read the item may read them. The engine counts `version`.
    Every write sets `updated`. `modified` is the time of `Last-Modified`."""

    version: Attribute | None = None
    updated: Attribute | None = None
    modified: Attribute | None = None

    def tag(self, body: bytes, item: Any = None, *, whole: bool = True) -> str:
        """Return the ETag of a response's bytes. `item`: the item that they show. `whole`: they show all of it, and no other items.

        The ETag starts with the item's version and a dot. If the item has no version and is not shown whole, it starts with the hash of the item
        and a hyphen.
        """
        digest = _digest(body)
        if item is None:
            return f'"{digest}"'
        version = None if self.version is None else self.version.get(item)
        if isinstance(version, int):
            return f'"{version}.{digest}"'
        return f'"{digest}"' if whole else f'"{_digest(encode(item))}{SHOWN}{digest}"'

    def date(self, item: Any) -> datetime | None:
        """Return the time of the item's last change, if known."""
        found = None if item is None or self.modified is None else self.modified.get(item)
        return found if isinstance(found, datetime) else None


def _digest(body: bytes) -> str:
    return blake2b(body, digest_size=HASH).hexdigest()


SHOWN = "-"
"""Character of an ETag between the hash of an item and that of the response, which shows the item with others or in part."""


def tag_of_item(tag: str) -> str:
    """Return the ETag of the item that a response with this ETag shows. For an item without a version, that is the ETag of the whole item."""
    state, shown, _ = tag.partition(SHOWN)
    return f'{state}"' if shown else tag


@per_meta
def validators(meta: StoreMeta[Any]) -> Validators:
    """Return the validators of an item."""
    version, updated = _generated(meta, VERSION), _generated(meta, UPDATED)
    named = meta.cache.modified if meta.cache else None
    modified = meta.attributes[named] if named else updated
    return Validators(version, updated, modified if modified and modified.readable is True else None)


def _generated(meta: StoreMeta[Any], generator: Generator) -> Attribute | None:
    """Return the attribute that only this generator sets and that every caller may read. None if there is none."""
    found = (one for one in meta.attributes.values() if one.generator is generator)
    return next((one for one in found if one.readable is True and one.updatable is False), None)


class Answers:
    """Makes the responses of one operation, with their cache headers."""

    def __init__(self, operation: StoreOperation | ActionOperation, *varies: str) -> None:
        """`varies`: the request headers that responses depend on, apart from `authorization`."""
        self._mixed = _varied(MIXED, varies)
        self._validators = validators(operation.meta) if isinstance(operation, StoreOperation) else Validators()
        self._cache_headers = _cache_headers(operation, varies)

    def answer(
        self,
        request: Request,
        content: Any,
        item: Any = None,
        *,
        included: bool = False,
        listed: bool = False,
        more: Mapping[str, str] = NO_HEADERS,
    ) -> Response:
        """Return the response to a GET: 200 with the content, or 304 without it for a client that has this version.

        `item`: the item that the content shows. `included`: the content has items of other stores, so it has no `Last-Modified`. `listed`: the
        content has `items`, whose size is limited. `more`: headers of the content. Raises `PreconditionFailed` if the request requires another
        version.
        """
        body = encode_items(content, included=included) if listed else encode(content)
        found, cached = self._validators, self._mixed if included else self._cache_headers(content, body)
        tag = cached.tag or found.tag(body, item, whole=content is item)
        modified = cached.modified or found.date(None if included else item)
        headers = {"etag": tag, **cached.headers}
        if modified is not None:
            headers["last-modified"] = http_date(modified)
        conditions = preconditions(request.headers, reading=True)
        status = 200 if conditions is None else conditions.of_read(tag, modified)
        if status == 412:
            raise PreconditionFailed(item=item)
        if status == 304:
            return Response(304, unmodified(request, headers, tag, len(body)))
        return Response(200, {**JSON, **headers, **more}, body)

    def written(self, item: Any, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response to a write of an item, with the validators of its new version."""
        body = encode(item)
        validating = {"etag": self._validators.tag(body, item)}
        if modified := self._validators.date(item):
            validating["last-modified"] = http_date(modified)
        return Response(status, {**JSON, **headers, **validating}, body)


class CacheHeaders(Struct, frozen=True):
    """The cache headers of an operation's responses. `tag` and `modified` are set only if a custom action provides its own."""

    headers: Mapping[str, str]
    tag: str | None = None
    modified: datetime | None = None


MIXED = CacheHeaders({"cache-control": "private, no-cache", "vary": "authorization"})
"""Headers of a response that includes items of other stores, whose rules and caches are not evaluated."""


def _varied(cached: CacheHeaders, varies: tuple[str, ...]) -> CacheHeaders:
    return CacheHeaders(varying(cached.headers, *varies)) if varies else cached


def _cache_headers(
    operation: StoreOperation | ActionOperation, varies: tuple[str, ...]
) -> Callable[[Any, bytes], CacheHeaders]:
    """Return the function that takes the content and the bytes of a response and returns its cache headers."""
    if isinstance(operation, StoreOperation):
        headers = _headers(operation.meta.cache or NEVER, everybody=shared(operation.meta, operation.verb))
        cached = _varied(CacheHeaders(headers), varies)
        return lambda content, body: cached
    anybody, control = operation.access.constant is True, operation.action.cache_control
    holds_items = anybody and may_contain_items(operation.result)
    known = NEVER if control is None else cache_of(control)

    def everybody(content: Any) -> bool:
        return anybody and not (holds_items and depends_on_caller(content))

    if known is None:
        return lambda content, body: _from_action(control, content, body, everybody(content))
    name, by_caller = known.modified, {one: _headers(known, everybody=one) for one in (True, False)}
    return lambda content, body: CacheHeaders(
        by_caller[known.public and everybody(content)], modified=_moment(content, name) if name else None
    )


def shared(meta: StoreMeta[Any], verb: str, known: frozenset[str] = frozenset()) -> bool:
    """Return whether the response is the same for every caller. If a query may follow links, the rules of their targets count too."""
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


def _from_action(control: Any, content: Any, body: bytes, anybody: bool) -> CacheHeaders:
    """Return the headers that an action's own cache control gives for this response."""
    declared = control.get_cache_header_from_content(body)
    left = (
        0
        if declared.expire_at is None
        else int((declared.expire_at - datetime.now(declared.expire_at.tzinfo)).total_seconds())
    )
    cache = Cache(max(left, 0), not declared.private, declared.must_revalidate)
    opaque = blake2b(str(declared.etag).encode(), digest_size=HASH).hexdigest() if declared.etag else None
    headers = _headers(cache, everybody=anybody and cache.public)
    return CacheHeaders(headers, opaque and f'"{opaque}"', _aware(declared.updated_at))


def _moment(content: Any, name: str) -> datetime | None:
    return _aware(content.get(name) if isinstance(content, Mapping) else getattr(content, name, None))


def _aware(moment: Any) -> datetime | None:
    return moment.astimezone() if isinstance(moment, datetime) else None
