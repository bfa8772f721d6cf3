"""Filter patterns of event source mappings: they never exclude a change that an action wants, and keep Lambda from being invoked for many others."""

from __future__ import annotations

import enum
import json
import random
import string
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from persisty import AfterCreate, AfterUpdate, Attr, meta_of, stored
from persisty.backends.dynamodb.codec import WireCodec
from persisty.deploy.event_filters import EVENTS, MOST_CHARACTERS, MOST_PATTERNS, Wanted, patterns_of
from persisty.local.stream_mappings import matches
from persisty.model.expressions import And, Filter, Not, Or
from persisty.query.evaluation import matcher
from persisty.query.resolution import resolve_filter

KINDS = tuple(EVENTS)


class Status(enum.Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@stored
class Order:
    id: Attr[str]
    status: Attr[Status] = Attr(default=Status.OPEN)
    city: Attr[str] = Attr(default="")
    former: Attr[str | None] = Attr(default=None, former_names="older")
    level: Attr[Level | None] = Attr(default=None)
    count: Attr[int | None] = Attr(default=None)
    is_gift: Attr[bool] = Attr(default=False)
    price: Attr[float | None] = Attr(default=None)
    token: Attr[UUID | None] = Attr(default=None)


META, CODEC = meta_of(Order), WireCodec(meta_of(Order))


def patterns(*wanted: Wanted) -> list[dict[str, Any]]:
    return [json.loads(one) for one in patterns_of(META, wanted)]


def resolved(where: Filter | None) -> Filter | None:
    return None if where is None else resolve_filter(META, where)


def wanted(kind: str, before: Filter | None = None, after: Filter | None = None) -> Wanted:
    return Wanted(kind, resolved(before), resolved(after))


def record(kind: str, before: Order | None, after: Order | None, sparse: random.Random | None = None) -> dict[str, Any]:
    images = {name: CODEC.wire(item) for name, item in (("OldImage", before), ("NewImage", after)) if item is not None}
    if sparse is not None:  # stored before some attributes were declared
        for image in images.values():
            for name, default in CODEC.absent.items():
                if image.get(name) == CODEC.value(name, default) and sparse.random() < 0.5:
                    del image[name]
    return {"eventName": EVENTS[kind], "dynamodb": images}


def is_delivered(given: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    return not found or any(matches(given, one) for one in found)


def test_a_kind_and_exact_values_are_a_pattern() -> None:
    assert patterns(wanted("created")) == [{"eventName": ["INSERT"]}]
    assert patterns(wanted("updated", Order.status == Status.PAID, Order.status == Status.SENT)) == [
        {
            "eventName": ["MODIFY"],
            "dynamodb": {"NewImage": {"status": {"S": ["sent"]}}, "OldImage": {"status": {"S": ["paid"]}}},
        }
    ]
    assert patterns(wanted("created", after=(Order.is_gift == True) & Order.level.oneof([Level.HIGH]))) == [  # noqa: E712
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"is_gift": {"N": ["1"]}, "level": {"N": ["2"]}}}}
    ]
    assert patterns(wanted("created", after=Order.city.startswith("Ro"))) == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"city": {"S": [{"prefix": "Ro"}]}}}}
    ]


def test_every_change_needs_no_pattern_and_alternatives_become_one() -> None:
    assert patterns(*(wanted(kind) for kind in KINDS)) == []
    assert patterns(wanted("created"), wanted("deleted")) == [{"eventName": ["INSERT", "REMOVE"]}]
    either = wanted("created", after=(Order.city == "Rome") | (Order.city == "Oslo"))
    assert patterns(either) == [{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"city": {"S": ["Rome", "Oslo"]}}}}]
    assert patterns(either, wanted("created")) == [{"eventName": ["INSERT"]}]


@pytest.mark.parametrize(
    "where",
    [
        Order.status == Status.OPEN,  # an item from before the attribute lacks it
        Order.city == "",
        Order.price == 1.5,  # DynamoDB writes numbers in its own way
        Order.count == 10**15,
        Order.count > 3,
        Order.city != "Rome",
        Order.city.contains("o"),
        Order.city == "a\nb",
        Order.former == "x",  # stored under another name
        Order.count == None,  # noqa: E711
        (Order.city == "Rome") | (Order.count > 3),
    ],
    ids=str,
)
def test_what_is_not_certain_is_left_to_the_function(where: Filter) -> None:
    assert patterns(wanted("created", after=where)) == [{"eventName": ["INSERT"]}]


def test_too_many_or_too_long_patterns_become_those_of_kinds() -> None:
    many = [wanted("updated", Order.city == f"{n}", Order.token == UUID(int=n)) for n in range(MOST_PATTERNS + 1)]
    assert patterns(*many) == [{"eventName": ["MODIFY"]}]
    assert patterns(*many, wanted("created", after=Order.city == "Rome")) == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"city": {"S": ["Rome"]}}}},
        {"eventName": ["MODIFY"]},
    ]
    assert patterns(wanted("created", after=Order.city == "x" * MOST_CHARACTERS)) == [{"eventName": ["INSERT"]}]


TEXTS = ("", "Rome", "Romeo", "Oslo", "\0", "a\nb", "é", "*", "1")


def random_item(dice: random.Random) -> Order:
    return Order(
        id="".join(dice.choices(string.ascii_letters, k=3)),
        status=dice.choice(list(Status)),
        city=dice.choice(TEXTS),
        former=dice.choice([None, *TEXTS]),
        level=dice.choice([None, *Level]),
        count=dice.choice([None, 0, 1, -1, 10**15, 10**18]),
        is_gift=dice.random() < 0.5,
        price=dice.choice([None, 0.0, 1.0, 1.5, 1e20]),
        token=dice.choice([None, UUID(int=1), UUID(int=2)]),
    )


def random_filter(dice: random.Random, depth: int = 2) -> Filter:
    if depth and dice.random() < 0.6:
        parts = tuple(random_filter(dice, depth - 1) for _ in range(dice.randint(1, 3)))
        return dice.choice([And(parts), Or(parts), Not(parts[0])])
    text = dice.choice(TEXTS)
    return dice.choice(
        [
            Order.status == dice.choice(list(Status)),
            Order.status.oneof(dice.sample(list(Status), 2)),
            Order.city == text,
            Order.city.oneof([text, dice.choice(TEXTS)]),
            Order.city.startswith(text),
            Order.city != text,
            Order.former == text,
            Order.level == dice.choice(list(Level)),
            Order.count == dice.choice([0, 1, -1, 10**15, 10**18]),
            Order.count >= 1,
            Order.is_gift == (dice.random() < 0.5),
            Order.price == dice.choice([0.0, 1.0, 1.5]),
            Order.token == UUID(int=1),
            Order.token == None,  # noqa: E711
        ]
    )


def changes(dice: random.Random, kind: str, count: int) -> Iterator[tuple[Order | None, Order | None]]:
    for _ in range(count):
        before, after = random_item(dice), random_item(dice)
        yield None if kind == "created" else before, None if kind == "deleted" else after


@pytest.mark.parametrize("seed", range(150))
def test_no_wanted_change_is_excluded(seed: int) -> None:
    dice = random.Random(seed)
    triggers = []
    for _ in range(dice.randint(1, 4)):
        kind = dice.choice(KINDS)
        before = random_filter(dice) if kind != "created" and dice.random() < 0.7 else None
        after = random_filter(dice) if kind != "deleted" and dice.random() < 0.7 else None
        triggers.append(wanted(kind, before, after))
    texts = patterns_of(META, triggers)
    assert len(texts) <= MOST_PATTERNS
    assert all(len(one) <= MOST_CHARACTERS for one in texts)
    found = [json.loads(one) for one in texts]
    for kind in KINDS:
        for before, after in changes(dice, kind, 100):
            is_wanted = any(
                one.kind == kind
                and (one.before is None or matcher(META, one.before)(before))
                and (one.after is None or matcher(META, one.after)(after))
                for one in triggers
            )
            if is_wanted:
                given = record(kind, before, after, dice)
                assert is_delivered(given, found), (triggers, given, found)


def test_a_filter_saves_most_invocations_of_a_thousand_changes() -> None:
    """Count the records that are delivered: without a full batch, each is an invocation."""
    dice = random.Random(1)
    trigger = AfterUpdate(Order, before=Order.status == Status.PAID, after=Order.status == Status.SENT)
    [condition] = trigger.conditions
    assert condition.before is not None
    assert condition.after is not None
    found = patterns(wanted(condition.kind, condition.before[1], condition.after[1]))
    orders = {number: Order(id=str(number), status=Status.OPEN) for number in range(334)}
    records = [record("created", None, one) for one in orders.values()]
    records += [
        record("updated", one, Order(id=one.id, status=Status.PAID)) for one in dice.sample(list(orders.values()), 333)
    ]
    records += [
        record("updated", Order(id=str(number), status=Status.PAID), Order(id=str(number), status=Status.SENT))
        for number in range(333)
    ]
    assert len(records) == 1000
    assert sum(is_delivered(one, found) for one in records) == 333
    [created] = AfterCreate(Order).conditions
    assert sum(is_delivered(one, patterns(wanted(created.kind))) for one in records) == 334
    assert sum(is_delivered(one, []) for one in records) == 1000
