"""The first days of a project, from the wheel alone: init, test, synth, deploy, change indexes in waves, refuse what loses data."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.deployment import ASSETS
from tests.e2e.emulators import ACCOUNT, REGION, aws_environment, ministack_server

ROOT = Path(__file__).parents[2]
TABLE = "my-shop--dev--note"
DECLARED = 'indexes=[Index("author_id", "created_at")]'


class Project:
    """A project that `persisty init` wrote, and an account of AWS for it."""

    def __init__(self, folder: Path, python: Path, url: str) -> None:
        self.folder, self._python, self._url = folder, python, url
        path = f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {
            name: one for name, one in aws_environment(url).items() if not name.startswith(("PYTHONPATH", "PERSISTY_"))
        }
        self.environment = {**kept, "PATH": path}
        self.app = folder / "my_shop/app.py"

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command of persisty in the project, and return what it prints."""
        command = [self._python, "-W", "ignore", "-m", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def deploy(self, *arguments: str, code: int = 0) -> str:
        # without AppSync: ministack takes the policies of its queue for a refusal of plain HTTP
        return self.run("persisty", "deploy", "--target", "local", "-c", "graphql=none", *arguments, code=code)

    def declare(self, before: str, after: str) -> None:
        """Edit the app."""
        text = self.app.read_text()
        assert before in text
        self.app.write_text(text.replace(before, after))

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self._url, region_name=REGION,
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip

    def indexes(self) -> set[str]:
        """Return the names of the indexes of the notes' table."""
        described = self.client("dynamodb").describe_table(TableName=TABLE)["Table"]
        return {one["IndexName"] for one in described.get("GlobalSecondaryIndexes", ())}


@pytest.fixture(scope="module")
def project(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    parent = tmp_path_factory.mktemp("projects")
    with ministack_server() as url:
        made = Project(parent, python, url)
        made.run("persisty", "init", "my-shop")
        made = Project(parent / "my-shop", python, url)
        made.run("persisty", "synth", "--target", "local")
        bootstrap = ["cdk", "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", "cdk.out"]
        subprocess.run(bootstrap, cwd=made.folder, env=made.environment, check=True, capture_output=True, timeout=120)
        # bootstrap's bucket refuses plain HTTP, which is all that an emulator speaks
        made.client("s3").delete_bucket_policy(Bucket=ASSETS)
        yield made


def test_a_project_is_deployed_changed_in_waves_and_keeps_its_items(project: Project) -> None:
    assert {one.name for one in (project.folder / "cdk.out").glob("*.template.json")}
    first = project.deploy()
    assert "wave" not in first
    assert "HttpUrl: http" in first
    assert "Next: open the URL" in first
    assert project.indexes() == {"by-author_id-created_at"}
    project.client("dynamodb").put_item(TableName=TABLE, Item={"id": {"S": "a"}})

    project.declare(DECLARED, 'indexes=[Index("author_id"), Index("text"), Index("version")]')
    planned = project.deploy("--plan")
    assert [line.partition(": ")[2] for line in planned.splitlines() if line.startswith("wave")] == [
        f"add {TABLE}.by-author_id",
        f"add {TABLE}.by-text",
        f"add {TABLE}.by-version",
        f"remove {TABLE}.by-author_id-created_at",
    ]
    assert project.indexes() == {"by-author_id-created_at"}
    project.declare(', Index("text"), Index("version")', "")
    assert "wave 2 of 2" in project.deploy()
    assert project.indexes() == {"by-author_id"}
    assert project.client("dynamodb").get_item(TableName=TABLE, Key={"id": {"S": "a"}})["Item"]


def test_what_loses_data_has_to_be_named(project: Project) -> None:
    project.declare("@stored(", "@stored(name='memo', ")
    refused = project.deploy(code=2)
    assert f"--allow remove:{TABLE}" in refused
    assert "nothing was changed" in refused
    project.declare("name='memo', ", "")
    project.declare("id: Attr[UUID] = GENERATED", "id: Attr[int] = SEQUENCE")
    project.declare("import GENERATED,", "import GENERATED, SEQUENCE,")
    assert "Traceback" not in refused
    assert "The key of a table cannot change from id (S) to id (N)" in project.deploy(code=2)
    assert project.indexes() == {"by-author_id"}
