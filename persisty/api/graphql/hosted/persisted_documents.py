"""Persisted documents: a request names the text of its query instead of sending it.

There are two ways, which can be combined:

* Automatic persisted queries, as in Apollo. A client sends the hash of its text (`extensions.persistedQuery.sha256Hash`). The first response is
  the error `PersistedQueryNotFound`. The client then sends hash and text once, and the process caches them.
* Declared documents. An app that lists its documents in a file executes no others. A request has one of the texts, or its name as `documentId` or
  as hash. The file is a JSON object of names and texts, or a manifest of `generate-persisted-query-manifest`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from ....errors import Fault, InvalidDeclaration, MalformedGraphql, PersistedQueryNotFound, UndeclaredDocument

REMEMBERED = 1_000
"""The most cached texts of those that clients have sent with a hash."""
REMEMBERED_LENGTH = 16_384
"""The most characters of a cached text."""
PREFIX = "sha256:"
"""Prefix of a `documentId` that is a hash (GraphQL over HTTP, appendix on persisted documents)."""


class Documents:
    """The texts that requests may name. `declared`: name → text; no other document is executed. None: every document is."""

    def __init__(self, declared: Mapping[str, str] | None = None) -> None:
        self._declared = None if declared is None else dict(declared)
        if self._declared is not None:
            self._declared |= {_hash(text): text for text in self._declared.values()}
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def text(self, given: Mapping[str, Any]) -> str | None:
        """Return the text that a request has or names. None if it does neither.

        Raises `PersistedQueryNotFound` for an unknown hash, `UndeclaredDocument` for a document that the app does not declare, and
        `MalformedGraphql` for a hash that is not the text's.
        """
        sent, name = given.get("query"), _name(given)
        if name is None:
            return sent if sent is None or self._declared is None else self._known(_hash(sent))
        if self._declared is not None:
            return self._known(name)
        if sent is None:
            return self._remembered(name)
        if _hash(sent) != name:
            raise MalformedGraphql(faults=[Fault("/extensions/persistedQuery/sha256Hash", "Not the hash of the query")])
        self._remember(name, sent)
        return str(sent)

    def _known(self, name: str) -> str:
        found = (self._declared or {}).get(name)
        if found is None:
            raise UndeclaredDocument()
        return found

    def _remembered(self, name: str) -> str:
        with self._lock:
            found = self._sent.get(name)
            if found is None:
                raise PersistedQueryNotFound()
            self._sent.move_to_end(name)
            return found

    def _remember(self, name: str, text: str) -> None:
        if len(text) <= REMEMBERED_LENGTH:
            with self._lock:
                self._sent[name] = text
                if len(self._sent) > REMEMBERED:
                    self._sent.popitem(last=False)


def declared_in(file: str | None) -> Documents:
    """Return the documents of a file. Without a file, every document is executed. Raises `InvalidDeclaration` for an invalid file."""
    if file is None:
        return Documents()
    try:
        found = msgspec.json.decode(Path(file).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidDeclaration(f"Cannot read documents from {file}: {error}") from error
    if isinstance(found, dict) and isinstance(found.get("operations"), list):
        found = {one.get("id"): one.get("body") for one in found["operations"] if isinstance(one, dict)}
    try:
        return Documents(msgspec.convert(found, dict[str, str]))
    except msgspec.ValidationError as error:
        raise InvalidDeclaration(f"{file} is not an object of names and texts: {error}") from error


def _name(given: Mapping[str, Any]) -> str | None:
    """Return the name of the document: `documentId`, or the hash in `extensions`."""
    name = given.get("documentId")
    if name is None:
        persisted = (given.get("extensions") or {}).get("persistedQuery")
        name = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return name.removeprefix(PREFIX) if isinstance(name, str) else None


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
