"""Writes reach subscribers through a table's stream, the deployed function, and the API's resolvers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.messenger.app import Message, User, app
from persisty.api.graphql.appsync.function import AppSync
from persisty.security.authenticator import Authenticator, authenticator_of
from persisty.security.caller import Caller
from persisty.settings import Settings

from ..appsync_endpoint import Endpoint, endpoint
from . import conversation
from .appsync_gateway import AppSyncGateway, Subscriber, appsync
from .deployment import EVENTS_STACK, Deployment
from .emulators import REGION
from .lambda_process import LambdaProcess, running
from .test_deployed import _sender as sender

CREATED = """subscription($where: MessageWhere) {
  messageCreated(where: $where) { id said: text author_id version created_at } }"""
CHANGED = "subscription { messageUpdated { id text version } }"
GONE = "subscription { messageDeleted { id text } }"
ARRIVED = "subscription { userCreated { id username } }"
BROKEN, SOUND, NOBODY = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))
PATIENCE = 60.0
"""Seconds that a change may take to arrive through emulators."""


def begun(gateway: AppSyncGateway, document: str, token: str, **variables: Any) -> Subscriber:
    found = gateway.subscribe(document, variables, token)
    assert isinstance(found, Subscriber), found
    return found


def refused(gateway: AppSyncGateway, document: str, token: str | None = None, **variables: Any) -> str:
    answer = gateway.subscribe(document, variables, token)
    assert isinstance(answer, dict)
    [error] = answer["errors"]
    code: str = error["errorType"]
    return code


# on ministack: REST → table → stream → function, all deployed


@pytest.fixture
def known(on_ministack: Deployment) -> Authenticator:
    """Return the authenticator that accepts the tokens of the deployed functions."""
    return authenticator_of(Settings(), "dev", on_ministack.secret(), needed=True)


@pytest.fixture
def gateway(on_ministack: Deployment, known: Authenticator, tmp_path: Path) -> Iterator[AppSyncGateway]:
    before = app.authenticator if app._authenticator else None
    app.authenticator = known
    with appsync(on_ministack.template, {"Appsync": AppSync(app).handle}, tmp_path) as found:
        yield found
    app._authenticator = before


@pytest.fixture
def published(on_ministack: Deployment, gateway: AppSyncGateway) -> Iterator[Endpoint]:
    """An endpoint in place of the deployed API, to which the deployed function publishes."""
    client, function = on_ministack.client("lambda"), on_ministack.function("Stream")["FunctionName"]
    known = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    assert known["PERSISTY_GRAPHQL_URL"] == on_ministack.outputs()["GraphqlUrl"]
    with endpoint(gateway.publish) as found:
        variables = {**known, "PERSISTY_GRAPHQL_URL": found.url}
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        yield found
    client.update_function_configuration(FunctionName=function, Environment={"Variables": known})


def arrived(published: Endpoint, field: str, count: int = 1, **having: str) -> list[dict[str, Any]]:
    """Return the events published by a field that have these values, once there are enough. Those of an earlier test may arrive late."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [event for name, event in published.published if name == field and having.items() <= event.items()]
        if len(found) >= count:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{field} was published {len(found)} times: {published.requests}")


def test_a_write_by_rest_is_delivered_to_subscribers(
    on_ministack: Deployment, gateway: AppSyncGateway, published: Endpoint
) -> None:
    send = sender(on_ministack)

    def call(method: str, path: str, token: str | None = None, **body: Any) -> dict[str, Any]:
        status, _, answer = send(method, path, "", json.dumps(body).encode() if body else None, token)
        assert status < 300, answer
        return dict(answer or {})

    account = {"username": "lively", "password": conversation.PASSWORD}
    session = call("POST", "/actions/sign-up", **account)
    token, author = session["token"], session["user_id"]
    assert arrived(published, "publishUserCreated")[0]["username"] == "lively"

    mine = begun(gateway, CREATED, token, where={"author_id": {"eq": author}, "text": {"startswith": "he"}})
    other = begun(gateway, CREATED, token, where={"text": {"eq": "nothing like it"}})
    everything, changed, gone = (begun(gateway, one, token) for one in (CREATED, CHANGED, GONE))
    message = call("POST", "/api/message", token, text="hello")
    key = message["id"]
    call("POST", "/api/message", token, text="good bye")
    call("PATCH", f"/api/message/{key}", token, text="hello again")
    call("DELETE", f"/api/message/{key}", token)
    arrived(published, "publishMessageCreated", 2, author_id=author)
    arrived(published, "publishMessageDeleted", id=key)

    said = {name: message[name] for name in ("id", "author_id", "version")}
    [event] = mine.events
    told = event["messageCreated"]
    assert told.pop("created_at").startswith(message["created_at"].removesuffix("Z"))
    assert told == {**said, "said": "hello"}
    assert sorted(one["messageCreated"]["said"] for one in everything.events) == ["good bye", "hello"]
    assert other.events == []
    assert changed.events == [{"messageUpdated": {"id": key, "text": "hello again", "version": 2}}]
    assert gone.events == [{"messageDeleted": {"id": key, "text": "hello again"}}]
    assert "digest" not in json.dumps(published.requests)


def test_a_record_that_cannot_be_read_is_a_dead_letter_and_the_next_is_published(
    on_ministack: Deployment, published: Endpoint
) -> None:
    table, sound = on_ministack.client("dynamodb"), {"author_id": {"S": NOBODY}, "version": {"N": "1"}}
    times = {name: {"S": "2026-01-01T00:00:00.000000Z"} for name in ("created_at", "updated_at")}
    for key, text in ((BROKEN, {"N": "7"}), (SOUND, {"S": "after it"})):
        table.put_item(TableName="messenger-dev-message", Item={"id": {"S": key}, "text": text, **sound, **times})
    deadline = time.monotonic() + PATIENCE
    while not [event for _, event in published.published if event.get("id") == SOUND]:
        assert time.monotonic() < deadline, published.requests
        time.sleep(0.2)
    [stack] = on_ministack.client("cloudformation").describe_stacks(StackName=EVENTS_STACK)["Stacks"]
    [url] = [one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == "StreamDeadLettersUrl"]
    [message] = on_ministack.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    told = json.loads(message["Body"])
    assert (told["keys"], told["reason"]["code"]) == ({"id": {"S": BROKEN}}, "unreadable_item")
    assert (told["reason"]["key"], told["reason"]["attributes"]) == (BROKEN, ["text"])


def test_a_caller_without_read_access_is_refused_and_only_iam_publishes(
    gateway: AppSyncGateway, known: Authenticator
) -> None:
    ann = known.token(Caller("ann"))
    assert refused(gateway, CREATED) == "unauthenticated"
    assert refused(gateway, "subscription { userCreated { id email } }", ann) == "forbidden"
    assert refused(gateway, "subscription { messageCreated { id author { username } } }", ann) == "unsupported"
    assert refused(gateway, CREATED, ann, where={"text": {"icontains": "x"}}) == "unsupported"
    begun(gateway, ARRIVED, ann)
    answer = gateway.ask('mutation { publishUserCreated(item: "{}") { id } }', token=ann)
    assert [error["errorType"] for error in answer["errors"]] == ["Unauthorized"]


# on moto: the function's own code and layers


@pytest.fixture
def kept_on_moto(on_moto: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(app._engines, "url", f"dynamodb://{REGION}?endpoint={on_moto.url}&partiql=0")
    yield on_moto
    app.close()


def records(deployment: Deployment, store: str) -> list[dict[str, Any]]:
    """Return the records of a table's stream, as Lambda passes them."""
    client = deployment.client("dynamodbstreams")
    [stream] = client.list_streams(TableName=f"messenger-dev-{store}")["Streams"]
    arn = stream["StreamArn"]
    [shard] = client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    found = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
    kept = ("SequenceNumber", "NewImage", "OldImage", "Keys")
    return [
        {
            "eventName": one["eventName"],
            "eventSourceARN": arn,
            "dynamodb": {name: one["dynamodb"][name] for name in kept if name in one["dynamodb"]},
        }
        for one in found
    ]


def test_the_stream_function_publishes_from_its_own_code_and_layers(kept_on_moto: Deployment, tmp_path: Path) -> None:
    kept_on_moto.unpack("Stream", tmp_path)
    users, messages = app.store(User), app.store(Message)
    author = users.create(User(username="streamed"))
    before = len(records(kept_on_moto, "message"))
    made = messages.create(Message(text="hello", author_id=author.id))
    messages.update(str(made.id), {"text": "changed"})
    messages.delete(str(made.id))
    batch = records(kept_on_moto, "message")[before:]
    with (
        appsync(kept_on_moto.template, {"Appsync": lambda event: {}}, tmp_path / "gateway") as gateway,
        endpoint(gateway.publish) as published,
    ):
        variables = {
            "PERSISTY_APP": "examples.messenger.app:app",
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": "dev",
            "PERSISTY_GRAPHQL_URL": published.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        with running(tmp_path, "persisty_lambdas.stream.handler", variables) as function:
            assert _left(function, batch) == []
            assert [(name, event["text"]) for name, event in published.published] == [
                ("publishMessageCreated", "hello"),
                ("publishMessageUpdated", "changed"),
                ("publishMessageDeleted", "changed"),
            ]
            refusing = (401, {"errors": [{"errorType": "UnauthorizedException"}]})
            published.fail = lambda body: refusing if "Updated" in body["query"] else None
            assert _left(function, batch) == [batch[1]["dynamodb"]["SequenceNumber"]]
        assert "hello" not in function.log.read_text()


def _left(function: LambdaProcess, batch: list[dict[str, Any]]) -> list[str]:
    return [one["itemIdentifier"] for one in function.invoke({"Records": batch})["batchItemFailures"]]
