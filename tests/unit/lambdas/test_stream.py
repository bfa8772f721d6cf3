"""The configuration of the stream function, and its answers to batches."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from graphql import build_schema

from persisty import InvalidDeclaration, meta_of
from persisty.api.graphql.appsync.stream_function import deployed_stream
from persisty.application import deployed_app
from persisty.backends.dynamodb.codec import WireCodec
from persisty.settings import Settings

from ...appsync_endpoint import Endpoint, echoing, endpoint
from .laptop import Place

SCHEMA = """
scalar AWSJSON
type Place { id: ID! }
type Query { nothing: Boolean }
type Mutation { publishPlaceCreated(item: AWSJSON!): Place }
"""
SPEC = "tests.unit.lambdas.laptop:app"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name, value in {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}.items():
        monkeypatch.setenv(name, value)
    schema = build_schema(SCHEMA)
    schema.type_map["AWSJSON"].coerce_input_value = lambda _: {"id": "from the item"}  # type: ignore[union-attr]
    with endpoint(echoing(schema)) as found:
        yield found


def configured(url: str | None) -> Settings:
    return Settings(app=SPEC, url="memory://", stage="live", graphql_url=url)


def test_a_batch_is_published_to_the_api_of_the_settings(published: Endpoint) -> None:
    known = configured(published.url)
    stream = deployed_stream(deployed_app(known), known)
    record = {
        "eventName": "INSERT",
        "dynamodb": {"SequenceNumber": "1", "NewImage": WireCodec(meta_of(Place)).wire(Place(id=UUID(int=1)))},
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/laptop-live-place/stream/2026",
    }
    assert stream.handle({"Records": [record]}) == {"batchItemFailures": []}
    assert published.published == [("publishPlaceCreated", {"id": "from the item"})]


def test_a_function_that_is_not_told_where_to_publish_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    known = configured(None)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(InvalidDeclaration):
        deployed_stream(deployed_app(known), known)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidDeclaration):
        deployed_stream(deployed_app(known), configured("https://a.example/graphql"))
