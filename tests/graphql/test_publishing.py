"""Changes of a table's stream, published to the GraphQL API by signed requests to a simulated AppSync endpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from graphql import build_schema
from msgspec import Meta

from persisty import App, Attr, meta_of, private, public, read_only, stored
from persisty.api.graphql.appsync import change_publisher as publishing
from persisty.api.graphql.appsync.change_publisher import Publisher, document, published
from persisty.api.graphql.appsync.stream_function import Stream
from persisty.api.graphql.subscriptions import subscriptions
from persisty.aws import retries
from persisty.aws.sigv4 import Credentials
from persisty.backends.dynamodb.codec import WireCodec
from persisty.errors import BackendUnavailable, InternalError, InvalidInput, PayloadTooLarge, PersistyError, Throttled
from persisty.store.change_feed import Change

from ..appsync_endpoint import Endpoint, echoing, endpoint


@stored(access=public)
class Letter:
    id: UUID
    text: str = ""
    long: Annotated[int, Meta(ge=0, le=2**62)] = 0
    sent_at: datetime | None = None
    tags: list[str] | None = None
    secret: str = Attr(default="hidden", readable=False)


@stored(access=private)
class Diary:
    id: UUID


@stored(access=read_only)
class Fact:
    id: UUID


APP = App("post", items=[Letter, Diary, Fact], url="memory://", stage="live")
SCHEMA = """
scalar AWSJSON
scalar AWSDateTime
type Letter { id: ID! text: String! long: String! sent_at: AWSDateTime tags: [String!] }
type Fact { id: ID! }
type Query { nothing: Boolean }
type Mutation {
  publishLetterCreated(item: AWSJSON!): Letter
  publishLetterUpdated(item: AWSJSON!): Letter
  publishLetterDeleted(item: AWSJSON!): Letter
  publishFactCreated(item: AWSJSON!): Fact
}
"""
KEYS = Credentials("id", "secret", "token")


def letter(number: int, **values: Any) -> Letter:
    return Letter(
        **{"id": UUID(int=number), "text": "", "long": 0, "secret": "hidden", "sent_at": None, "tags": None, **values}
    )


@pytest.fixture
def appsync(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(retries, "sleep", lambda _: None)
    schema = build_schema(SCHEMA)
    schema.type_map["AWSJSON"].coerce_input_value = publishing.msgspec.json.decode  # type: ignore[union-attr]
    with endpoint(echoing(schema)) as found:
        yield found


@pytest.fixture
def publisher(appsync: Endpoint) -> Iterator[Publisher]:
    found = Publisher(appsync.url, "eu-west-1", lambda: KEYS, subscriptions(APP.metas.values()))
    yield found
    found.close()


def change(item: Any, kind: str = "created") -> Change:
    before, after = (item, None) if kind == "deleted" else (None, item)
    return Change(meta_of(item).name, kind, meta_of(item).key_of(item), before, after)


def test_a_readable_item_has_three_subscriptions() -> None:
    offered = subscriptions(APP.metas.values())
    assert [one.field for one in offered][:3] == ["letterCreated", "letterUpdated", "letterDeleted"]
    assert {one.meta.name for one in offered} == {"letter", "fact"}
    assert offered[0].publisher == "publishLetterCreated"


def test_every_attribute_that_some_caller_may_read_is_published(publisher: Publisher, appsync: Endpoint) -> None:
    item = letter(1, text="é\0", long=2**62, sent_at=datetime(2026, 1, 1, tzinfo=UTC), tags=["a"])
    for kind in ("created", "updated", "deleted"):
        publisher(change(item, kind))
    event = {
        "id": str(UUID(int=1)),
        "text": "é\0",
        "long": str(2**62),
        "sent_at": "2026-01-01T00:00:00.000000Z",
        "tags": ["a"],
    }
    assert appsync.published == [(f"publishLetter{kind}", event) for kind in ("Created", "Updated", "Deleted")]
    assert "secret" not in str(appsync.requests)


def test_a_document_selects_each_field_under_its_name() -> None:
    [first, *_] = subscriptions([meta_of(Letter)])
    assert document(first) == (
        "mutation($item: AWSJSON!) { publishLetterCreated(item: $item) { id text long sent_at tags } }"
    )


def test_datetimes_are_published_with_the_same_length_and_null_as_null() -> None:
    assert published(letter(1))["sent_at"] is None
    whole = letter(1, sent_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert published(whole)["sent_at"] == "2026-01-01T00:00:00.000000Z"


def test_a_change_without_a_subscription_is_not_published(publisher: Publisher, appsync: Endpoint) -> None:
    publisher(change(Diary(id=UUID(int=1))))
    assert appsync.requests == []


def test_an_item_too_large_for_an_event_is_not_sent(publisher: Publisher, appsync: Endpoint) -> None:
    with pytest.raises(PayloadTooLarge):
        publisher(change(letter(1, text="x" * 240_000)))
    assert appsync.requests == []
    publisher(change(letter(1, text="x" * 230_000)))
    assert len(appsync.published) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, {"errors": [{"errorType": "InternalFailureException"}]}), BackendUnavailable),
        ((429, {"errors": [{"errorType": "ThrottlingException"}]}), Throttled),
        ((503, {}), BackendUnavailable),
        ((200, {"errors": [{"errorType": "ThrottlingException"}]}), Throttled),
    ],
)
def test_a_transient_failure_is_retried_a_few_times(
    publisher: Publisher, appsync: Endpoint, answer: tuple[int, Any], error: type[PersistyError]
) -> None:
    appsync.fail = lambda _: answer if len(appsync.requests) < 3 else None
    publisher(change(letter(1)))
    assert len(appsync.requests) == 3
    assert len(appsync.published) == 1
    appsync.requests.clear()
    appsync.fail = lambda _: answer
    with pytest.raises(error):
        publisher(change(letter(2)))
    assert len(appsync.requests) == 5


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"errors": [{"errorType": "UnauthorizedException", "message": "Permission denied"}]}),
        (200, {"data": None, "errors": [{"path": None, "errorType": "ValidationError", "message": "Field 'x' is undefined"}]}),
        (200, {"data": {"publishLetterCreated": None}, "errors": [{"path": ["publishLetterCreated"], "errorType": "Unauthorized"}]}),
        (400, {"errors": [{"errorType": "MalformedHttpRequestException"}]}),
    ],
)  # fmt: skip
def test_a_permanent_failure_is_not_retried(publisher: Publisher, appsync: Endpoint, answer: tuple[int, Any]) -> None:
    appsync.fail = lambda _: answer
    with pytest.raises(BackendUnavailable):
        publisher(change(letter(1)))
    assert len(appsync.requests) == 1


NULL = "Cannot return null for non-nullable type: 'String' within parent 'Letter' (/publishLetterCreated/text)"
WIDE = "Can't serialize value (/publishLetterCreated/long) : Unable to serialize `5000000000` as a valid Int."


@pytest.mark.parametrize(
    ("data", "error", "path"),
    [
        (None, {"path": ["publishLetterCreated", "text"], "locations": None, "message": NULL}, "/text"),
        ({"id": "a", "long": None}, {"path": ["publishLetterCreated", "long"], "message": WIDE}, "/long"),
        (None, {"path": ["publishLetterCreated"], "errorType": "MappingTemplate", "message": "No"}, ""),
        (None, {"errorType": None, "message": "Cannot return null"}, ""),
    ],
)
def test_an_item_that_appsync_rejects_is_invalid_input_with_the_attribute(
    publisher: Publisher, appsync: Endpoint, data: Any, error: dict[str, Any], path: str
) -> None:
    appsync.fail = lambda _: (200, {"data": {"publishLetterCreated": data}, "errors": [error]})
    with pytest.raises(InvalidInput) as refused:
        publisher(change(letter(1)))
    assert [(fault.path, fault.message) for fault in refused.value.faults] == [(path, error["message"])]
    assert len(appsync.requests) == 1


# batches of a stream


def record(number: int, item: Any, name: str = "INSERT", table: str = "post-live-letter") -> dict[str, Any]:
    image = "OldImage" if name == "REMOVE" else "NewImage"
    return {
        "eventName": name,
        "dynamodb": {"SequenceNumber": str(number), image: WireCodec(meta_of(item)).wire(item)},
        "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}/stream/2026-01-01T00:00:00.000",
    }


class Recorder:
    """Publishes to a list. Items that `refuses` names fail."""

    def __init__(self, *refuses: str, error: type[PersistyError] = BackendUnavailable) -> None:
        self.texts: list[str] = []
        self._refuses, self._error = refuses, error

    def __call__(self, change: Change) -> None:
        if change.item.text in self._refuses:
            raise self._error("no")
        self.texts.append(change.item.text)


def handled(publish: Recorder, *records: dict[str, Any]) -> list[str]:
    answer = Stream(APP, publish).handle({"Records": list(records)})
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_a_batch_is_published_without_failures() -> None:
    recorder = Recorder()
    assert handled(recorder, *(record(n, letter(n, text=str(n))) for n in range(30))) == []
    assert sorted(recorder.texts, key=int) == [str(n) for n in range(30)]


def test_changes_of_one_item_are_published_in_their_order() -> None:
    recorder = Recorder()
    records = [record(n, letter(n % 3, text=f"{n % 3} {n:02}"), "MODIFY") for n in range(60)]
    assert handled(recorder, *records) == []
    for item in range(3):
        texts = [text for text in recorder.texts if text.startswith(f"{item} ")]
        assert texts == sorted(texts)
        assert len(texts) == 20


def test_the_first_record_that_failed_is_returned_and_later_changes_of_its_item_wait() -> None:
    recorder = Recorder("b", "d")
    records = [record(10 + n, letter(n % 2, text=text), "MODIFY") for n, text in enumerate("abcdef")]
    assert handled(recorder, *records) == ["11"]
    assert sorted(recorder.texts) == ["a", "c", "e"]


def test_the_returned_record_is_the_first_in_the_batch_not_the_first_to_fail() -> None:
    recorder = Recorder("a", "c")
    records = [record(10 + n, letter(n, text=text)) for n, text in enumerate("abc")]
    assert handled(recorder, *records) == ["10"]
    assert recorder.texts == ["b"]


class Queue:
    """A dead-letter queue: `messages`, or an error while it is `down`."""

    def __init__(self, *, down: bool = False) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self._down = down

    def __call__(self, message: Mapping[str, Any]) -> None:
        if self._down:
            raise BackendUnavailable("no queue")
        self.messages.append(message)


def unreadable(number: int) -> dict[str, Any]:
    broken = record(number, letter(2))
    broken["dynamodb"] |= {"NewImage": {"id": {"S": "no uuid"}}, "Keys": {"id": {"S": "no uuid"}}}
    return broken


def test_an_unreadable_record_is_a_dead_letter_with_its_attribute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder, queue = Recorder(), Queue()
    with caplog.at_level(logging.ERROR, "persisty"):
        answer = Stream(APP, recorder, queue).handle(
            {"Records": [record(1, letter(1, text="a")), unreadable(2), record(3, letter(3, text="c"))]}
        )
    assert answer == {"batchItemFailures": []}
    assert sorted(recorder.texts) == ["a", "c"]
    [message] = queue.messages
    assert (message["sequence"], message["event"], message["keys"]) == ("2", "INSERT", {"id": {"S": "no uuid"}})
    assert message["stream"].split("/")[1] == "post-live-letter"
    reason = message["reason"]
    assert (reason["code"], reason["store"], reason["attributes"]) == ("unreadable_item", "letter", ["id"])
    assert "sequence 2, at /id" in caplog.text


@pytest.mark.parametrize("error", [InvalidInput, PayloadTooLarge, InternalError])
def test_an_item_that_no_retry_can_publish_is_a_dead_letter_and_its_later_changes_are_published(
    error: type[PersistyError],
) -> None:
    recorder, queue = Recorder("b", error=error), Queue()
    records = [record(n, letter(1, text=text), "MODIFY") for n, text in enumerate("abc")]
    assert Stream(APP, recorder, queue).handle({"Records": records}) == {"batchItemFailures": []}
    assert recorder.texts == ["a", "c"]
    assert [(one["sequence"], one["reason"]["code"]) for one in queue.messages] == [("1", error.code)]


@pytest.mark.parametrize("error", [BackendUnavailable, Throttled])
def test_a_transient_failure_is_delivered_again_and_is_not_a_dead_letter(error: type[PersistyError]) -> None:
    recorder, queue = Recorder("b", error=error), Queue()
    records = [record(n, letter(1, text=text), "MODIFY") for n, text in enumerate("abc")]
    answer = Stream(APP, recorder, queue).handle({"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert (recorder.texts, queue.messages) == (["a"], [])


def test_a_record_that_the_queue_does_not_accept_is_delivered_again() -> None:
    recorder, queue = Recorder("b", error=InvalidInput), Queue(down=True)
    records = [record(1, letter(1, text="b")), unreadable(2), record(3, letter(3, text="c"))]
    answer = Stream(APP, recorder, queue).handle({"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert recorder.texts == ["c"]


def test_an_item_too_large_for_an_event_is_logged_and_the_others_are_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder("b", error=PayloadTooLarge)
    records = [record(n, letter(1, text=text), "MODIFY") for n, text in enumerate("abc")]
    with caplog.at_level(logging.ERROR, "persisty"):
        assert handled(recorder, *records) == []
    assert recorder.texts == ["a", "c"]
    assert "not published" in caplog.text


def test_records_of_other_tables_are_ignored() -> None:
    recorder = Recorder()
    assert handled(recorder, record(1, letter(1, text="a"), table="post-dev-letter")) == []
    assert recorder.texts == []


def test_an_event_of_another_source_is_logged_and_has_no_failures(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "persisty"):
        assert Stream(APP, Recorder()).handle({}) == {"batchItemFailures": []}
    assert "no Records" in caplog.text


def test_a_malformed_record_is_a_dead_letter() -> None:
    queue = Queue()
    assert Stream(APP, Recorder(), queue).handle({"Records": [{}, {"eventSourceARN": "x"}]}) == {
        "batchItemFailures": []
    }
    assert [one["reason"]["code"] for one in queue.messages] == ["internal_error"] * 2
