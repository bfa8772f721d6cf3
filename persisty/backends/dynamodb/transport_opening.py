"""Open a transport to DynamoDB or to DynamoDB Streams. Each is a service with a host of its own, and local stand-ins have one endpoint for both."""

from __future__ import annotations

from typing import NamedTuple

from ... import settings
from ...aws.credentials import provider
from ...aws.xray import Subsegments
from ...deferred import deferred
from ...errors import BackendUnavailable
from .direct_transport import DirectTransport
from .traced_transport import TracedTransport
from .transport import Transport


class Service(NamedTuple):
    """`host`: the beginning of its host on AWS. `target`: the beginning of the target of each operation. `client`: its name in boto3."""

    host: str
    target: str
    client: str


TABLES = Service("dynamodb", "DynamoDB_20120810.", "dynamodb")
STREAMS = Service("streams.dynamodb", "DynamoDBStreams_20120810.", "dynamodbstreams")


def open_transport(kind: str, endpoint: str | None, region: str, service: Service) -> Transport:
    """Return a transport. `kind`: `direct` or `boto3`. `endpoint`: None for that of AWS."""
    if kind == "boto3":
        client: Transport = deferred("persisty.backends.dynamodb.boto3_transport").Boto3Transport(
            endpoint, region, service.client
        )
        return client
    environment, domain = settings.aws(), "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    origin = endpoint or f"https://{service.host}.{region}.{domain}"
    try:
        direct = DirectTransport(origin, region, provider(environment), environment.ca_bundle, service.target)
    except OSError as error:
        raise BackendUnavailable("The certificates of AWS_CA_BUNDLE cannot be read") from error
    daemon = settings.xray_daemon()
    return direct if daemon is None else TracedTransport(direct, Subsegments(daemon), region)
