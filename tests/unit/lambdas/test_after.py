"""After triggers by the records of a table's stream: the events that handlers get, dead letters, and the response to Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from persisty import SUBJECT, App, Attr, InvalidDeclaration, meta_of, stored
from persisty.application.stream_events import StreamEvents, dead_letter, deployed_events, event_id
from persisty.aws.queues import MOST_BYTES
from persisty.backends.dynamodb.codec import WireCodec
from persisty.model.validation import new_item
from persisty.settings import Settings
from persisty.store.store import context_of
from persisty.store.trigger_registry import AfterTrigger, Handler
from persisty.testing.conformance.dirty import rows
from persisty.testing.conformance.items import Specimen
from persisty.triggers.event import Event

STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-live-{}/stream/2026-01-01T00:00:00.000"
SECONDS = 20.0


@stored
class Parcel:
    id: Attr[str]
    text: Attr[str] = Attr(default="")
    sender: Attr[str | None] = SUBJECT


def parcel(id: str, text: str = "", sender: str | None = None) -> Parcel:  # noqa: A002
    return Parcel(id=id, text=text, sender=sender)


class Registry:
    """Each store has the action `log`, which records events, for changes that `wants` chooses."""

    def __init__(self, *stores: str) -> None:
        self.stores = frozenset(stores)
        self.events: list[Event[Any]] = []
        self.wants: Callable[[Any, Any], bool] = lambda before, after: True
        self.fails: Callable[[Event[Any]], bool] = lambda event: False
        self.kinds = ("created", "updated", "deleted")
        self.actions: tuple[str, ...] = ("log",)

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return [AfterTrigger(action, self.wants) for action in self.actions] if kind in self.kinds else ()

    def handler(self, action: str) -> Handler | None:
        return Handler(self.handle, attempts=2, pause=0.001)

    def handle(self, event: Event[Any]) -> None:
        self.events.append(event)
        if self.fails(event):
            raise ValueError("it is bad")


class Stream:
    """The records of one store, and the function that reads them."""

    def __init__(self, item: type[Any]) -> None:
        self.meta = meta_of(item)
        self.codec = WireCodec(self.meta)
        self.registry = Registry(self.meta.name)
        app = App("shop", items=[item], url="memory://", stage="live", idempotency=None)
        app.triggers = self.registry
        self.letters: list[dict[str, Any]] = []
        self.function = StreamEvents(app, lambda message: self.letters.append(dict(message)))

    def record(self, number: int, before: Any = None, after: Any = None, **given: Any) -> dict[str, Any]:
        names = {(True, False): "INSERT", (False, False): "MODIFY", (False, True): "REMOVE"}
        images = {
            name: image if isinstance(image, dict) else self.codec.wire(image)
            for name, image in (("OldImage", before), ("NewImage", after))
            if image is not None
        }
        return {
            "eventID": f"{number:032x}",
            "eventName": names[before is None, after is None],
            "dynamodb": {"SequenceNumber": str(100 + number), "ApproximateCreationDateTime": 1767225600.0, **images},
            "eventSourceARN": STREAM.format(self.meta.name),
            **given,
        }

    def deliver(self, *records: dict[str, Any], **event: Any) -> list[str]:
        """Deliver records, as Lambda does, and return the numbers of those that failed."""
        answer = self.function.handle(json.loads(json.dumps({"Records": records, **event})), SECONDS)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


@pytest.fixture
def parcels() -> Stream:
    return Stream(Parcel)


def test_a_handler_gets_the_items_before_and_after_the_change_as_they_were_written() -> None:
    specimens = Stream(Specimen)
    items = [new_item(specimens.meta, row) for row in rows()]
    records = [specimens.record(number, after=item) for number, item in enumerate(items)]
    records += [specimens.record(100 + number, items[number - 1], item) for number, item in enumerate(items) if number]
    records += [specimens.record(200 + number, item) for number, item in enumerate(items)]
    for one in records:
        assert specimens.deliver(one) == []
    seen = [(one.kind, one.before, one.after) for one in specimens.registry.events]
    assert seen == [
        *(("created", None, item) for item in items),
        *(("updated", items[number - 1], item) for number, item in enumerate(items) if number),
        *(("deleted", item, None) for item in items),
    ]
    assert specimens.letters == []


def test_an_event_names_the_change_and_has_the_same_id_at_each_delivery(parcels: Stream) -> None:
    record = parcels.record(1, after=parcel("a"))
    parcels.deliver(record)
    parcels.deliver(record)
    first, second = parcels.registry.events
    assert first == second
    assert (first.store, first.kind, first.key, first.attempt) == ("parcel", "created", "a", 1)
    assert first.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(first.id, UUID)
    ids = {event_id(parcels.record(number, after=parcel("a"))) for number in range(9)}
    assert len(ids) == 9


def test_the_caller_of_a_create_is_the_generated_subject_and_others_are_unknown(parcels: Stream) -> None:
    mine = parcel("a", sender="ann")
    parcels.deliver(
        parcels.record(1, after=mine),
        parcels.record(2, mine, parcel("a", text="new", sender="ann")),
        parcels.record(3, mine),
        parcels.record(4, after=parcel("b", sender=None)),
    )
    callers = {(one.key, one.kind): one.caller for one in parcels.registry.events}
    assert callers == {("a", "created"): "ann", ("a", "updated"): None, ("a", "deleted"): None, ("b", "created"): None}


def test_only_wanted_changes_are_handled(parcels: Stream) -> None:
    parcels.registry.wants = lambda before, after: after is not None and after.text == "yes"
    parcels.registry.kinds = ("created", "deleted")
    no, yes = parcel("a", text="no"), parcel("b", text="yes")
    parcels.deliver(parcels.record(1, after=no), parcels.record(2, after=yes), parcels.record(3, no, yes))
    assert [(one.kind, one.key) for one in parcels.registry.events] == [("created", "b")]


def test_an_update_that_changes_no_value_is_no_event(parcels: Stream) -> None:
    bare = {"id": {"S": "a"}}
    parcels.deliver(parcels.record(1, bare, parcel("a")))  # a migration has stored the default
    assert parcels.registry.events == []


def test_a_record_of_a_store_without_triggers_is_ignored(parcels: Stream) -> None:
    foreign = {**parcels.record(1, after={"x": {"N": "1"}}), "eventSourceARN": STREAM.format("other")}
    assert parcels.deliver(foreign) == []
    assert parcels.letters == []


def test_an_event_whose_attempts_have_failed_is_a_dead_letter_with_its_record(
    parcels: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-AfterParcel")
    parcels.registry.fails = lambda event: event.key == "bad"
    bad = parcels.record(1, after=parcel("bad"))
    assert parcels.deliver(bad, parcels.record(2, after=parcel("good"))) == []
    [letter] = parcels.letters
    reason = letter.pop("reason")
    assert reason.endswith("ValueError: it is bad\n")
    assert letter == {
        "id": str(event_id(bad)),
        "store": "parcel",
        "kind": "created",
        "key": "bad",
        "actions": ["log"],
        "attempts": 2,
        "function": "shop-AfterParcel",
        "record": bad,
    }


def test_a_dead_letter_is_replayed_for_its_action_alone(parcels: Stream) -> None:
    parcels.registry.actions = ("log", "mail")
    parcels.registry.wants = lambda before, after: False  # the filter has changed in the meantime
    assert parcels.deliver(parcels.record(1, after=parcel("a")), actions=["mail"]) == []
    assert len(parcels.registry.events) == 1


@pytest.mark.parametrize("image", [{"id": {"N": "1"}}, {"id": {"S": "a"}, "text": {"N": "1"}}, {}])
def test_a_record_that_cannot_be_read_is_a_dead_letter_and_the_others_are_handled(
    parcels: Stream, image: dict[str, Any]
) -> None:
    broken = [
        parcels.record(1, after=image),
        parcels.record(2, image, parcel("a")),
        parcels.record(3, image),
    ]
    assert parcels.deliver(*broken, parcels.record(4, after=parcel("good"))) == []
    assert [one.key for one in parcels.registry.events] == ["good"]
    assert [one["record"] for one in parcels.letters] == broken
    assert all("does not fit the declaration of parcel" in one["reason"] for one in parcels.letters)
    assert all(one["actions"] == ["log"] for one in parcels.letters)


def test_a_record_that_the_queue_does_not_accept_is_delivered_again(parcels: Stream) -> None:
    def refuse(message: Any) -> None:
        raise OSError("no queue")

    parcels.function._send = refuse
    unreadable = parcels.record(2, after={"id": {"N": "1"}})
    parcels.registry.fails = lambda event: event.key == "bad"
    bad = parcels.record(3, after=parcel("bad"))
    assert parcels.deliver(parcels.record(1, after=parcel("a")), unreadable, bad) == ["102"]
    assert parcels.deliver(parcels.record(1, after=parcel("a")), bad) == ["103"]


def test_a_dead_letter_without_room_for_the_images_names_the_place_in_the_stream(parcels: Stream) -> None:
    long = parcel("a", text="é" * (MOST_BYTES // 2))
    message = dead_letter(parcels.record(1, long, long), "parcel", "a", ["log"], 9, "it is bad")
    assert len(json.dumps(message)) < 2_000
    assert message["record"]["dynamodb"]["SequenceNumber"] == "101"
    assert message["record"]["eventSourceARN"] == STREAM.format("parcel")


def test_a_function_without_a_dead_letter_queue_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    app = App("shop", items=[Parcel], url="memory://", idempotency=None)
    with pytest.raises(InvalidDeclaration, match="PERSISTY_DEAD_LETTERS_URL"):
        deployed_events(app, Settings())


@pytest.mark.parametrize(
    ("url", "observed"), [("memory://", True), ("dynamodb://eu-west-1?endpoint=http://localhost:1", False)]
)
def test_after_triggers_cost_a_write_on_dynamodb_nothing(url: str, observed: bool, credentials: None) -> None:
    """Only an engine with an outbox reads items before a change and appends events."""
    app = App("shop", items=[Parcel], url=url, idempotency=None)
    app.triggers = Registry("parcel")
    assert context_of(app.store(Parcel)).path.is_observed is observed
    app.close()
