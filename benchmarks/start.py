"""From the start of a process to its first answer: the deployed handlers against a bare handler over boto3.

Each start is a fresh interpreter that imports the handler, answers one event with a read from DynamoDB, and ends.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from . import echo
from .measure import Row, row

STARTS = 15

CONTEXT = """
class Context:
    function_name = aws_request_id = memory_limit_in_mb = "f"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
"""
SUBJECTS = {
    "REST handler": f"""
from lambdas.rest import handler{CONTEXT}
event = {{"rawPath": "/api/message/{echo.ID}", "requestContext": {{"http": {{"method": "GET"}}}}}}
assert handler(event, Context())["statusCode"] == 200
""",
    "AppSync handler": f"""
from lambdas.appsync import handler{CONTEXT}
assert handler({{"fieldName": "messageRead", "arguments": {{"key": "{echo.ID}"}}}}, Context())["data"]["version"] == 1
""",
    "bare boto3": f"""
import json, boto3
client = boto3.client("dynamodb")
def handler(event, context):
    found = client.get_item(TableName="messenger-dev-message", Key={{"id": {{"S": event["key"]}}}}, ConsistentRead=True)
    return {{"statusCode": 200, "body": json.dumps(found["Item"])}}
assert handler({{"key": "{echo.ID}"}}, None)["statusCode"] == 200
""",
}


def rows() -> Iterator[Row]:
    with echo.running() as url:
        environment = {
            "PATH": os.environ["PATH"],
            "PERSISTY_APP": "benchmarks.messages:app",
            "PERSISTY_URL": "dynamodb://",
            "AWS_ENDPOINT_URL_DYNAMODB": url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "POWERTOOLS_DEV": "0",
        }
        times: dict[str, list[float]] = {name: [] for name in SUBJECTS}
        for _ in range(STARTS + 1):
            for name, code in SUBJECTS.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], env=environment, check=True)
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(found[1:]) for name, found in times.items()}  # the first fills caches
    bare = medians["bare boto3"] * 1e3
    for name in ("REST handler", "AppSync handler"):
        work = f"{name}, process start to first answer"
        yield row(work, "bare boto3", medians[name] * 1e3, bare, unit="ms")
