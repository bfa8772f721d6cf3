"""Triggers of an app that the CDK has deployed to ministack: its functions, filters, permissions and dead letters.

ministack invokes functions for records of streams, applies filters and enforces the roles of functions. It ignores partial failures and retry limits, which
tests/faults/test_deployed_triggers.py covers.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

from persisty.deploy.dead_letters import DeadLetters
from persisty.settings import VARIABLES

from .deployment import ASSETS, ROOT, cdk, for_ministack
from .emulators import ACCOUNT, REGION, aws_environment, ministack_server

SOURCE = Path(__file__).parents[1] / "parcels.py"
PATIENCE = 60.0
ACTIONS: dict[str, Any] = {
    "check": {"stores": {"label": ["read"]}},
    "record": {"stores": {}},
    "confirm": {"stores": {"receipt": ["create"]}},
    "frame": {"stores": {}},
    "tidy": {"stores": {}},
    "tick": {"stores": {}},
}
"""What each action uses. ministack refuses everything else."""
INFRASTRUCTURE = """
import aws_cdk as cdk
from stacks import PersistyApp

cdk_app = cdk.App()
PersistyApp(cdk_app, "Parcels", app="parcels:app", target="local", graphql="none", settings={settings!r}, actions={actions!r})
cdk_app.synth()
"""


class Deployed:
    """The app in the account at a URL. `events`: the file of its handlers."""

    def __init__(self, module: ModuleType, url: str, events: Path) -> None:
        self.module, self.app, self.url, self.events = module, module.app, url, events
        self.app.stage = "dev"
        self.app.use(f"dynamodb://{REGION}?endpoint={url}&partiql=0")

    def client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            **options,
        )

    def handled(self, key: str) -> list[str]:
        """Return the kinds of the events of a parcel, in the order of their handling."""
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return [kind for kind, found, *_ in map(str.split, lines) if found == key]

    def function(self, name: str) -> str:
        listed = self.client("lambda").list_functions()["Functions"]
        return next(str(one["FunctionName"]) for one in listed if f"-{name}" in one["FunctionName"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    project, assembly = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("parcels") / "cdk.out"
    shutil.copy(SOURCE, project / "parcels.py")
    events = project / "handled"
    settings = {"*": {"EVENTS": str(events)}}
    script = project / "infrastructure.py"
    script.write_text(INFRASTRUCTURE.format(settings=settings, actions=ACTIONS))
    with pytest.MonkeyPatch.context() as patch, ministack_server() as url:
        for name in (*VARIABLES, "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.syspath_prepend(project)
        environment = {**aws_environment(url), "PYTHONPATH": f"{ROOT}{os.pathsep}{project}"}
        app = f"{sys.executable} {script}"
        cdk("synth", "--quiet", "--app", app, "--output", str(assembly), environment=environment)
        ready = for_ministack(assembly, tmp_path_factory.mktemp("ministack") / "cdk.out")
        cdk("bootstrap", "--app", str(ready), f"aws://{ACCOUNT}/{REGION}", environment=environment)
        boto3.client(
            "s3", endpoint_url=url, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
        ).delete_bucket_policy(Bucket=ASSETS)
        cdk("deploy", "--all", "--require-approval", "never", "--app", str(ready), environment=environment)
        found = Deployed(importlib.import_module("parcels"), url, events)
        yield found
        found.app.close()
    sys.modules.pop("parcels", None)


def eventually(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_each_change_reaches_the_handlers_which_write_with_their_permissions(deployed: Deployed) -> None:
    parcels, item = deployed.app.store(deployed.module.Parcel), deployed.module.Parcel
    parcels.create(item(id="a"))
    parcels.update("a", {"status": deployed.module.Status.SENT})
    parcels.delete("a")
    assert eventually(lambda: deployed.handled("a") == ["created", "updated", "deleted"]), deployed.handled("a")
    receipts = deployed.app.store(deployed.module.Receipt)
    assert eventually(lambda: receipts.read("a")) is not None


def test_a_before_trigger_runs_in_the_function_of_the_api(deployed: Deployed) -> None:
    deployed.app.store(deployed.module.Label).create(deployed.module.Label(id="labelled"))

    def create(**parcel: Any) -> tuple[int, Any]:
        event = {
            "version": "2.0",
            "routeKey": "ANY /api/{proxy+}",
            "rawPath": "/api/parcel",
            "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "pathParameters": {"proxy": "parcel"},
            "requestContext": {"http": {"method": "POST", "path": "/api/parcel"}, "stage": "$default"},
            "body": json.dumps(parcel),
            "isBase64Encoded": False,
        }
        answer = deployed.client("lambda").invoke(FunctionName=deployed.function("Rest"), Payload=json.dumps(event))
        found = json.loads(answer["Payload"].read())
        return found["statusCode"], json.loads(found["body"])

    assert create(id="refused", text="no")[0] == 403
    status, made = create(id="labelled")
    assert (status, made["number"]) == (201, 7)
    assert eventually(lambda: deployed.handled("labelled") == ["created"])
    assert deployed.handled("refused") == []


def test_an_event_that_fails_for_good_is_a_dead_letter_which_is_replayed(deployed: Deployed) -> None:
    parcels, item = deployed.app.store(deployed.module.Parcel), deployed.module.Parcel
    parcels.create(item(id="bad", text="bad"))
    parcels.create(item(id="good"))
    assert eventually(lambda: deployed.handled("good"))

    class Session:
        client = staticmethod(deployed.client)

    letters = DeadLetters("parcels", "dev", Session())
    found = eventually(lambda: [one for one in letters.read() if one.key == "bad"])
    [letter] = found
    assert (letter.store, letter.kind, letter.actions) == ("parcel", "created", ("record",))
    assert letter.function == deployed.function("AfterParcel")
    letters.replay(letter)  # it fails again
    [again] = eventually(lambda: [one for one in letters.read() if one.key == "bad"])
    assert again.id == letter.id
    letters.drop(again)
    assert not [one for one in letters.read() if one.key == "bad"]


def test_a_schedule_has_the_event_with_which_its_function_calls_the_action(deployed: Deployed) -> None:
    """ministack fires schedules, but does not replace the attributes of their input, as Scheduler does."""
    client = deployed.client("scheduler")
    [listed] = client.list_schedules()["Schedules"]
    schedule = client.get_schedule(Name=listed["Name"])
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    payload = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2027-03-01T02:30:00Z")
    assert json.loads(payload)["function"] == deployed.function("TimerTick")
    answer = deployed.client("lambda").invoke(FunctionName=schedule["Target"]["Arn"], Payload=payload)
    assert "FunctionError" not in answer
    assert deployed.handled("tick") == ["timer"]
    assert "2027-03-01T02:30:00+00:00" in deployed.events.read_text()
