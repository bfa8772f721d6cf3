"""A function with tracing and metrics: one trace id for the request, its log lines and its calls of the store; metrics in a line of the log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdas.function_metrics import counts
from persisty.aws.xray import HEADER, MOST, Subsegments, sampled

ROOT = Path(__file__).parents[3]
ROOT_ID, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT_ID};Parent={PARENT};Sampled=1;Lineage=a87bd80c:0"
CALLS = """
import sys
from lambdas import rest
class Context:
    function_name = function_version = invoked_function_arn = aws_request_id = "f"
    memory_limit_in_mb = 1
def call(method, path, body=None):
    event = {"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {"content-type": "application/json"}, "body": body,
             "requestContext": {"http": {"method": method, "path": path}, "requestId": "request-1"}, "isBase64Encoded": False}
    return rest.handler(event, Context())["statusCode"]
if "prepare" in sys.argv:
    rest.app.prepare()
key = "00000000-0000-4000-8000-000000000001"
print(call("POST", "/api/place", '{"id": "%s"}' % key), call("GET", "/api/place/" + key), call("GET", "/api/place/x"))
rest.logger.warning("after the requests")
"""


@pytest.fixture
def daemon() -> Any:
    """A socket in the place of the X-Ray daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(0.2)
        yield found


def received(daemon: socket.socket) -> list[dict[str, Any]]:
    found = []
    while True:
        try:
            data = daemon.recv(65_536)
        except TimeoutError:
            return found
        head, _, body = data.partition(b"\n")
        assert head + b"\n" == HEADER
        found.append(json.loads(body))


def address(daemon: socket.socket) -> str:
    return "{}:{}".format(*daemon.getsockname())


def stage(daemon: socket.socket) -> str:
    """Return the stage of a test, whose tables no other test has."""
    return f"port{daemon.getsockname()[1]}"


def run(moto_endpoint: str, daemon: socket.socket, **variables: str) -> list[str]:
    """Return the lines that a function prints which answers three requests in a process of its own."""
    environment = {
        **{name: one for name, one in os.environ.items() if not name.startswith(("PERSISTY_", "AWS_"))},
        "PERSISTY_APP": "tests.unit.lambdas.laptop:app", "PERSISTY_STAGE": stage(daemon),
        "PERSISTY_URL": f"dynamodb://eu-west-1?endpoint={moto_endpoint}&partiql=0",
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_XRAY_DAEMON_ADDRESS": address(daemon),
        **variables,
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", CALLS, "prepare"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_one_trace_id_is_in_the_log_and_in_the_calls_of_the_store(moto_endpoint: str, daemon: socket.socket) -> None:
    lines = run(moto_endpoint, daemon, PERSISTY_TRACING="on", PERSISTY_METRICS="on", _X_AMZN_TRACE_ID=SAMPLED)
    documents = received(daemon)
    calls = [(one["aws"]["operation"], one["aws"].get("table_name")) for one in documents]
    table = f"laptop-{stage(daemon)}-place"
    assert {("PutItem", table), ("GetItem", table)} <= {*calls}
    for one in documents:
        assert (one["trace_id"], one["parent_id"], one["type"], one["namespace"]) == (
            ROOT_ID, PARENT, "subsegment", "aws",
        )  # fmt: skip
        assert one["end_time"] >= one["start_time"] > 1_700_000_000
        assert 'id":' not in json.dumps(one["aws"])
    assert "201 200 404" in lines
    [logged] = [json.loads(line) for line in lines if "after the requests" in line]
    assert (logged["xray_trace_id"], logged["request_id"]) == (ROOT_ID, "request-1")
    written = [json.loads(line) for line in lines if '"_aws"' in line]
    metrics = [one for one in written if "Requests" in one]
    assert [one["Requests"] for one in metrics] == [[1.0]] * 3
    assert [one["ClientErrors"] for one in metrics] == [[0.0], [0.0], [1.0]]
    assert {(one["service"], one["function"]) for one in metrics} == {(f"laptop-{stage(daemon)}", "rest")}
    assert all(one["Latency"][0] > 0 for one in metrics)
    assert [one for one in written if "ColdStart" in one]


def test_nothing_is_sent_or_counted_unless_it_is_on(moto_endpoint: str, daemon: socket.socket) -> None:
    lines = run(moto_endpoint, daemon, _X_AMZN_TRACE_ID=SAMPLED)
    assert received(daemon) == []
    assert not [line for line in lines if '"_aws"' in line]


def test_a_trace_that_is_not_sampled_sends_nothing(moto_endpoint: str, daemon: socket.socket) -> None:
    run(moto_endpoint, daemon, PERSISTY_TRACING="on", _X_AMZN_TRACE_ID=SAMPLED.replace("Sampled=1", "Sampled=0"))
    assert received(daemon) == []


@pytest.mark.parametrize("header", [None, "", "Root=1-2-3", "Root=1-2-3;Sampled=1", "nonsense", "Sampled=1;Parent=a"])
def test_a_header_without_a_sampled_trace_names_none(header: str | None) -> None:
    assert sampled(header) is None


def test_a_call_that_fails_is_a_fault_and_a_large_document_or_a_missing_daemon_fails_nothing(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED)
    subsegments = Subsegments(address(daemon))
    subsegments.send("DynamoDB", 1.0, 2.0, failed=True)
    subsegments.send("DynamoDB", 1.0, 2.0, text="a" * MOST)
    assert [one["fault"] for one in received(daemon)] == [True]
    Subsegments("127.0.0.1:9").send("DynamoDB", 1.0, 2.0)


def test_results_of_each_kind_of_event_are_counted() -> None:
    assert counts({"statusCode": 503})["ServerErrors"] == 1
    assert counts([{"data": 1}, {"error": {"code": "forbidden"}}])["FieldErrors"] == 1
    assert counts({"batchItemFailures": [{"itemIdentifier": "1"}]})["FailedRecords"] == 1
