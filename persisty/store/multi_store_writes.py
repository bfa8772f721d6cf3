"""Writes of several stores of one engine, all or none: the change path of an atomic batch over several stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

from ..errors import Unsupported
from ..security.caller import Caller
from .backend import Write, WriteResult
from .before_writes import write_checked
from .change_capture import KINDS, UNSEEN, Seen
from .change_feed import Change
from .change_path import ChangePath

Placed = tuple[ChangePath[Any], Write]
NONE_SEEN: Mapping[Any, Seen] = MappingProxyType({})


def write_together(writes: Sequence[Placed], by: Caller | None = None) -> list[WriteResult]:
    """Perform writes of several stores of one engine, all or none. Returns results in their positions, as an atomic `Backend.write` does."""
    path = writes[0][0]
    if any(other.transactions is not path.transactions for other, _ in writes):
        raise Unsupported("Stores of several engines cannot be written atomically")

    def perform(
        paths: Sequence[ChangePath[Any]], accepted: Sequence[Write], seen: Mapping[Any, Seen]
    ) -> list[WriteResult]:
        return _written_together(list(zip(paths, accepted, strict=True)), by, seen)

    if any(other.has_before_trigger(KINDS[type(write)]) for other, write in writes):
        return write_checked(writes, path.before_triggers, by, perform)
    return path.transactions.repeated(lambda: _written_together(writes, by, NONE_SEEN))


def _written_together(writes: Sequence[Placed], by: Caller | None, seen: Mapping[Any, Seen]) -> list[WriteResult]:
    paths = list(dict.fromkeys(path for path, _ in writes))
    transactions = paths[0].transactions
    writes_of = {
        path: [(place, write) for place, (other, write) in enumerate(writes) if other is path] for path in paths
    }
    seen_of = {path: seen.get(path, UNSEEN) for path in paths}
    keys_of = {
        path: path.before_images([write for _, write in some], seen_of[path]) for path, some in writes_of.items()
    }
    with ExitStack() as stages:
        if any(keys_of.values()) or any(path.is_stored for path in paths):
            stages.enter_context(paths[0].unit())
        before = {path: path.images(keys, seen_of[path]) for path, keys in keys_of.items()}
        for path, some in writes_of.items():
            stages.enter_context(path.forgetting([path.key_of(write) for _, write in some]))
        results = transactions.write_together([(path.backend, write) for path, write in writes])
        captured: list[Change] = []
        for place, (path, write) in enumerate(writes):
            changes = path.captured([write], [results[place]], before[path], by, seen_of[path])
            transactions.append(path.events(changes))
            if not path.is_shared:
                captured += changes
    transactions.deliver(captured)
    return results
