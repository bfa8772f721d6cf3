"""Dead letters arrive in a queue, by signed requests of persisty's own."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from persisty.api.graphql.appsync.dead_letters import dead_letter
from persisty.aws import retries
from persisty.aws.queues import SqsQueue
from persisty.aws.sigv4 import Credentials
from persisty.errors import BackendUnavailable, Fault, InvalidInput
from tests.e2e.emulators import moto_server

KEYS = Credentials("testing", "testing")
RECORD = {
    "eventName": "MODIFY",
    "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/a/stream/b",
    "dynamodb": {
        "SequenceNumber": "7",
        "Keys": {"id": {"S": "é"}},
        "NewImage": {"secret": {"S": "of the item"}},
        "ApproximateCreationDateTime": 1.5,
    },
}


@pytest.fixture(scope="module")
def sqs() -> Any:
    with moto_server() as url:
        yield boto3.client(
            "sqs",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )


def test_a_message_names_the_record_and_the_reason_and_has_no_item(sqs: Any) -> None:
    queue = sqs.create_queue(QueueName="dead")["QueueUrl"]
    send = SqsQueue(queue, "eu-west-1", lambda: KEYS, endpoint=sqs.meta.endpoint_url)
    send(dead_letter(RECORD, InvalidInput("No", faults=[Fault("/text", "Not a text")])))
    send.close()
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"]) == {
        "reason": {
            "title": "Invalid input",
            "status": 422,
            "code": "invalid_input",
            "detail": "No",
            "faults": [{"path": "/text", "message": "Not a text"}],
        },
        "stream": RECORD["eventSourceARN"],
        "event": "MODIFY",
        "sequence": "7",
        "keys": {"id": {"S": "é"}},
        "at": 1.5,
    }


def test_a_queue_that_does_not_exist_is_an_error_with_its_reason(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "sleep", lambda _: None)
    gone = f"{sqs.meta.endpoint_url}/123456789012/gone"
    with pytest.raises(BackendUnavailable, match="QueueDoesNotExist"):
        SqsQueue(gone, "eu-west-1", lambda: KEYS)(dead_letter({}, InvalidInput()))
    with pytest.raises(BackendUnavailable, match="SQS cannot be reached"):
        SqsQueue("http://127.0.0.1:1/1/q", "eu-west-1", lambda: KEYS)({})
