"""A third-party engine runs the suite with three lines, and the suite finds its mistakes."""

from __future__ import annotations

import pytest

from persisty.testing import conformance

from ..docs.test_docs import blocks

pytest_plugins = ["pytester"]

SHELF = '''
"""An engine that stores items as bytes, so that it never returns the object that it was given."""

import pickle
import threading

from msgspec.structs import replace

from persisty.model.validation import changed
from persisty.query.aggregate import Accumulator
from persisty.query.explain import Explanation
from persisty.query.keyset import beyond, position_of
from persisty.query.evaluation import matcher, sort_key
from persisty.model.expressions import ALL, And, Compare, OrderBy
from persisty.query.filter_algebra import combine
from persisty.store.backend import Bulk, Capabilities, Delete, Outcome, Page, Patch, Put, WriteResult
from persisty.errors import Unsupported
from persisty.store.bulk_walk import walk
from persisty.store.limits import grown_too_long, grows_too_long
from persisty.store.page_bytes import Total, items_of_page, size_of_all
from persisty.store.write_results import conflict, undone


class ShelfBackend:
    capabilities = Capabilities(embedded=True, max_atomic=100, snapshot_reads=True)

    def __init__(self, meta, engine):
        self.meta, self.engine = meta, engine

    def read(self, keys):
        with self.engine.lock:
            found = [self.engine.items.get((self.meta.name, key)) for key in keys]
        return [None if one is None else pickle.loads(one) for one in found]

    def write(self, writes, *, atomic):
        with self.engine.lock:
            before = dict(self.engine.items)
            results = [self.one(write) for write in writes]
            if atomic and any(one.outcome is not Outcome.DONE for one in results):
                self.engine.items = before
                return [WriteResult(Outcome.ABORTED) if one.outcome is Outcome.DONE else one for one in results]
            return results

    def one(self, write):
        key = self.meta.key_values(write.item) if isinstance(write, Put) else write.key
        place = (self.meta.name, key)
        stored = self.engine.items.get(place)
        current = None if stored is None else pickle.loads(stored)
        if isinstance(write, Put):
            if current is not None:
                return WriteResult(Outcome.EXISTS)
            new = write.item
        elif current is None:
            return WriteResult(Outcome.MISSING)
        elif not matcher(self.meta, write.when)(current):
            return WriteResult(Outcome.FAILED, current)
        elif isinstance(write, Delete):
            del self.engine.items[place]
            return WriteResult(Outcome.DONE)
        else:
            new = changed(self.meta, current, write.changes)
            if grows_too_long(self.meta, new, write.changes):
                return WriteResult(Outcome.ERROR, error=grown_too_long())
        for index in self.meta.uniques:
            values = self.values(index, new)
            if None not in values:
                for other, item in self.all():
                    if other != place and self.values(index, item) == values:
                        return WriteResult(Outcome.EXISTS, index=index.name)
        for required in write.requires:
            target = self.engine.items.get((required.meta.name, required.key))
            if target is None or not matcher(required.meta, required.where)(pickle.loads(target)):
                return WriteResult(Outcome.UNRELATED, index=required.attribute)
        self.engine.items[place] = pickle.dumps(new)
        return WriteResult(Outcome.DONE, new)

    def values(self, index, item):
        return [self.meta.attributes[name].get(item) for name in index.attributes]

    def all(self):
        return [(place, pickle.loads(one)) for place, one in self.engine.items.items() if place[0] == self.meta.name]

    def matches(self, where, after=None, order=()):
        order = order or tuple(OrderBy(name) for name in self.meta.key.attributes)
        tests = [matcher(self.meta, where)]
        if after is not None:
            tests.append(matcher(self.meta, beyond(self.meta, order, after)))
        with self.engine.lock:
            items = [item for _, item in self.all()]
        found = [one for one in items if all(test(one) for test in tests)]
        return order, sorted(found, key=sort_key(self.meta, order))

    def query(self, asked):
        order, found = self.matches(asked.where, asked.after, asked.order)
        page = found[: asked.limit]
        page = page[: items_of_page(self.meta, page, asked.max_bytes)]
        return Page(page, position_of(self.meta, order, page[-1]) if len(found) > len(page) else None)

    def query_each(self, attribute, values, asked):
        pages, loaded = [], Total(asked.max_bytes)
        for value in values:
            where = combine(And, [Compare(attribute, "eq", value), asked.where])
            pages.append(self.query(replace(asked, where=where, max_bytes=None)))
            loaded.add(size_of_all(self.meta, pages[-1].items))
        return pages

    def count(self, where, *, allow_scan=False):
        return len(self.matches(where)[1])

    def aggregate(self, measures, by, where, *, allow_scan=False):
        accumulator = Accumulator(self.meta, measures, by)
        for item in self.matches(where)[1]:
            accumulator.add(item)
        return accumulator.groups()

    def write_all(self, asked):
        done, position = 0, asked.after
        for page in walk(self.meta, self.query, asked, 100):
            for item in page.items:
                key = self.meta.key_values(item)
                write = Delete(key, asked.where) if asked.changes is None else Patch(key, asked.changes, asked.where)
                [result] = self.write((write,), atomic=False)
                if result.outcome is Outcome.EXISTS:
                    return Bulk(done, position, conflict(self.meta, result))
                if result.error is not None:
                    return Bulk(done, position, result.error)
                done += result.outcome is Outcome.DONE
            position = page.position
        return Bulk(done, position)

    def allocate(self, sequence, count):
        with self.engine.lock:
            last = self.engine.numbers.get((self.meta.name, sequence), 0)
            self.engine.numbers[self.meta.name, sequence] = last + count
            return last + 1

    def explain(self, asked):
        return Explanation("shelf", "scan", None, (), ALL, asked.where, "local" if asked.order else None)


class ShelfEngine:
    embedded, deployed = True, False

    def __init__(self):
        self.items, self.numbers, self.lock = {}, {}, threading.RLock()

    def open(self, meta):
        return ShelfBackend(meta, self)

    def prepare(self, metas):
        pass

    def verify(self, metas):
        pass

    def write_together(self, writes):
        with self.lock:
            before = dict(self.items)
            results = [backend.write((write,), atomic=False)[0] for backend, write in writes]
            if any(one.outcome is not Outcome.DONE for one in results):
                self.items = before
                return undone(results)
            return results

    def transaction(self):
        raise Unsupported("A shelf has no transactions")

    def check_writes(self):
        """Writes do not fail."""

    def close(self):
        pass
'''
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "persisty.testing.matrix", "--engines", "shelf")


def outcome(pytester: pytest.Pytester, shelf: str, *options: str) -> pytest.RunResult:
    *_, suite = blocks("docs/testing.md", "python")
    pytester.makepyfile(shelf=shelf, test_shelf=suite)
    return pytester.runpytest_subprocess(*OPTIONS, *options)


def test_a_third_party_engine_passes(pytester: pytest.Pytester) -> None:
    run = outcome(pytester, SHELF)
    assert run.ret == pytest.ExitCode.OK, run.stdout.str()
    run.stdout.re_match_lines([r"shelf\s+[5-9]\d\d\s+0\s+[01]  embedded, max_atomic=100, snapshot_reads$"])


def test_an_engine_that_ignores_conditions_fails_with_the_text_of_the_assertion(pytester: pytest.Pytester) -> None:
    broken = SHELF.replace("elif not matcher(self.meta, write.when)(current):", "elif False:")
    assert broken != SHELF
    run = outcome(pytester, broken, "-k", "optimistic_lock or under_an_optimistic or conditional_updates")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.re_match_lines([r"shelf +0 +[1-9]"])
    run.stdout.fnmatch_lines(["E*assert 8 == 1*"])


def test_every_test_of_every_theme_is_exported() -> None:
    """If two themes had a test of the same name, one of them would be hidden."""
    tests = [name for theme in conformance.THEMES for name in vars(theme) if name.startswith("test_")]
    assert len(tests) == len(set(tests)) > 100
    assert set(tests) <= set(conformance.__all__)
    modules = {name for name in vars(conformance) if name.startswith("test_")} - set(tests)
    assert {f"{conformance.__name__}.{name}" for name in modules} == {theme.__name__ for theme in conformance.THEMES}
