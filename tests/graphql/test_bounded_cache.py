"""The cache of documents: it is limited by cost and drops the least recently used value."""

from __future__ import annotations

from persisty.api.graphql.hosted.bounded_cache import BoundedCache


def test_the_least_recently_used_value_is_dropped() -> None:
    cache: BoundedCache[int] = BoundedCache(100)
    for number in range(10):
        cache.put(str(number), number, 10)
    assert (len(cache), cache.get("0")) == (10, 0)
    cache.put("10", 10, 10)
    assert (len(cache), cache.cost, cache.get("0"), cache.get("1")) == (10, 100, 0, None)


def test_a_value_that_is_put_again_counts_once() -> None:
    cache: BoundedCache[int] = BoundedCache(100)
    cache.put("a", 1, 10)
    cache.put("a", 2, 4)
    assert (len(cache), cache.cost, cache.get("a")) == (1, 4, 2)


def test_one_value_never_replaces_most_others() -> None:
    cache: BoundedCache[int] = BoundedCache(100)
    cache.put("a", 1, 11)
    assert (len(cache), cache.cost, cache.get("a")) == (0, 0, None)
