"""The boto3 transport: botocore's low-level client, for moto's `mock_aws` and as the reference of the direct one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from ...aws.http_connections import CONNECT_TIMEOUT, READ_TIMEOUT
from ...aws.retries import THROTTLES, TRANSIENT, AwsError, Retry, exhausted, retrying
from ...errors import BackendUnavailable
from .transport import JSON, WRITES, tokened
from .wire_answers import loosened

NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Boto3Transport:
    def __init__(self, endpoint: str | None, region: str, service: str = "dynamodb") -> None:
        config = Config(
            retries={"total_max_attempts": 1},  # `retrying` repeats requests that may be sent again
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
        )
        self._client: Any = boto3.client(service, region_name=region, endpoint_url=endpoint, config=config)
        self._client.meta.events.register(f"before-parse.{service}", _check)

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        method = getattr(self._client, _WORD.sub("_", operation).lower())
        arguments = _binary(tokened(operation, payload), b64decode)
        answer = retrying(lambda: self._attempt(method, arguments), writes=operation in WRITES, once=once)
        if shape is JSON:
            return answer
        try:
            return msgspec.convert(answer, shape)
        except msgspec.ValidationError:
            loose = loosened(shape)
            if loose is None:
                raise
            return msgspec.convert(answer, loose)

    def _attempt(self, method: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = _binary(method(**arguments), _to_text)
        except ClientError as error:
            body: dict[str, Any] = _binary(error.response, _to_text)
            details, about = body["Error"], body.get("ResponseMetadata", {})
            refused = AwsError(details.get("Code", ""), details.get("Message", ""), body)
            if refused.kind in TRANSIENT or about.get("HTTPStatusCode", 0) >= 500:
                raise Retry(exhausted(refused), in_doubt=refused.kind not in THROTTLES) from error
            raise refused from error
        except BotoCoreError as error:
            unsent = isinstance(error, NEVER_SENT)
            raise Retry(BackendUnavailable("DynamoDB cannot be reached"), in_doubt=not unsent) from error
        answer.pop("ResponseMetadata", None)
        return answer

    def close(self) -> None:
        self._client.close()


def _check(response_dict: dict[str, Any], **_: Any) -> None:
    """Raise for a response without valid JSON. botocore takes a truncated one for an empty one, and an item would seem to be missing."""
    try:
        _decode(response_dict["body"])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Retry(BackendUnavailable(f"DynamoDB answered {response_dict['status_code']} without JSON")) from error


def _to_text(value: bytes) -> str:
    return b64encode(value).decode()


def _binary(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Return the payload with its binary values converted: boto3 uses bytes, the port base64 text."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("B"), str | bytes):
            return {"B": convert(value["B"])}
        return {name: _binary(one, convert) for name, one in value.items()}
    return [_binary(one, convert) for one in value] if isinstance(value, list) else value
