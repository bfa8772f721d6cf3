"""The life of a project, from the wheel alone: init, run, test, change, migrate on three engines, deploy, change in waves, refuse a loss, get stuck, be
deleted, roll back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dynamodb_local import dynamodb_local
from tests.e2e.emulators import REGION, ministack_server
from tests.e2e.stack_statuses import StackStatuses, stack_statuses
from tests.postgres import postgres_server, schema_in

from .project import LOCAL, Project, call

APP, SEEDS, TESTS = "my_shop/app.py", "my_shop/seeds.py", "tests/test_app.py"
TABLE = "my-shop--dev--note"
TEXTS = ["Hello", "This note is stored, served and deployed by persisty"]
PAGES = ("/", "/docs", "/graphiql", "/static/graphiql.js", "/static/swagger-ui.css", "/openapi.json")
CHANGES = {
    # renamed, and longer
    "text: Attr[Annotated[str, Meta(min_length=1, max_length=1000)]]":
        'body: Attr[Annotated[str, Meta(min_length=1, max_length=2000)]] = Attr(former_names="text")',
    # removed, and added
    "    created_at: Attr[datetime] = GENERATED\n": "    stars: Attr[int] = Attr(default=3)\n",
    "from datetime import datetime\n": "",
    # other indexes
    'Index("author_id", "created_at")': 'Index("author_id"), Index("stars")',
    # another item, with a link to it
    "app = App": "@stored(access=Access(read=everyone))\nclass Topic:\n    id: Attr[UUID] = GENERATED\n    notes: HasMany[Note] = link(by='topic_id')\n\n\napp = App",
    "    version: Attr[int] = VERSION\n": "    version: Attr[int] = VERSION\n    topic_id: Attr[UUID | None] = Attr(default=None)\n",
    "items=[Note]": "items=[Note, Topic]",
    "VERSION, Access,": "VERSION, HasMany, link, Access,",
}  # fmt: skip
"""Replacements in the declaration of the project: each is a change to migrate."""
USES = {"text=": "body=", '"text"': '"body"', ".text": ".body"}
"""What changes in the code that uses a renamed attribute."""
SHOWN = "print(sorted((one.{text}, {stars}) for one in note.search_all()))"
"""Code for `persisty shell`."""


@pytest.fixture
def aws() -> Iterator[StackStatuses]:
    with ministack_server() as url, stack_statuses(url) as found:
        yield found


@pytest.fixture
def project(aws: StackStatuses, python: Path, tmp_path: Path) -> Project:
    Project(tmp_path, python, aws.url).persisty("init", "my-shop")
    return Project(tmp_path / "my-shop", python, aws.url)


@pytest.fixture
def urls() -> Iterator[dict[str, str]]:
    """Engine → the URL of an empty database."""
    with postgres_server() as postgres, dynamodb_local() as dynamodb:
        yield {
            "sqlite": "sqlite:///my-shop.db",
            "postgresql": schema_in(postgres),
            "dynamodb": f"dynamodb://{REGION}?endpoint={dynamodb}&index_attributes=2",
        }


def test_a_project_is_run_changed_migrated_deployed_and_rolled_back(
    project: Project, urls: dict[str, str], aws: StackStatuses
) -> None:
    before = (project.folder / APP).read_text()
    serve_and_call(project)
    assert "3 passed" in project.run("pytest", "-p", "no:cacheprovider")
    change_and_migrate(project, urls)
    first_deployment(project)
    waves(project)
    refused_losses(project)
    stuck_stack(project, aws)
    destroy_and_deploy_again(project)
    roll_back(project, urls, before)


def serve_and_call(project: Project) -> None:
    with project.served() as url:
        token = project.persisty("token", "--subject", "ann").strip()
        found = call("GET", f"{url}/api/note")[1]["items"]
        assert sorted(one["text"] for one in found) == TEXTS
        assert call("POST", f"{url}/api/note", text="Nobody")[0] == 401
        status, made = call("POST", f"{url}/api/note", token, text="Mine")
        assert (status, made["author_id"]) == (201, "ann")
        assert call("DELETE", f"{url}/api/note/{made['id']}", token)[0] == 204
        assert {call("GET", url + page)[0] for page in PAGES} == {200}


def change_and_migrate(project: Project, urls: dict[str, str]) -> None:
    """Fill the databases, change five things, and run one reviewed file in each."""
    for url in (urls["postgresql"], urls["dynamodb"]):
        fill = "from my_shop.seeds import seed; app.prepare(); print(seed(app))"
        assert project.persisty("shell", "--url", url, "-c", fill).startswith("2\n")  # the rest warns of missing tables
    project.edit(CHANGES, APP)
    project.edit(USES, SEEDS, TESTS)
    assert "3 passed" in project.run("pytest", "-p", "no:cacheprovider")
    shown = project.persisty("diff")
    for line in ("text is now body", "stars is new", "created_at is no longer declared", "destructive"):
        assert line in shown
    assert "Wrote migrations/0001_" in project.persisty("migrate", "--revision", "Five changes")
    for engine, url in urls.items():
        assert "fits its declarations" in project.persisty("migrate", "--url", url), engine
        shown = project.persisty("shell", "--url", url, "-c", SHOWN.format(text="body", stars="one.stars"))
        assert shown.strip() == str([(text, 3) for text in TEXTS]), engine


def first_deployment(project: Project) -> None:
    assert "tables" in project.persisty("synth", *LOCAL)
    project.bootstrap()
    printed = project.deploy()
    assert "wave" not in printed
    assert "GraphqlUrl: http" in printed
    assert "/openapi.json" in next(line for line in printed.splitlines() if line.startswith("Next: open http"))
    assert project.indexes(TABLE) == {"by-author_id", "by-stars"}
    # the printed command makes tokens that the deployed functions accept
    [command] = [line.partition(": ")[2] for line in printed.splitlines() if line.startswith("A token for a caller: ")]
    variable, *words = command.split()
    name, _, arn = variable.partition("=")
    assert (name, words[0]) == ("PERSISTY_TOKEN_SECRET_ARN", "persisty")
    token = project.persisty(*words[1:], **{name: arn}).strip()
    api = project.api(printed)
    assert call("POST", f"{api}/api/note", body="Nobody")[0] == 401
    status, made = call("POST", f"{api}/api/note", token, body="Deployed")
    assert (status, made["author_id"], made["stars"]) == (201, "ann", 3)


def waves(project: Project) -> None:
    project.edit({'Index("author_id"), Index("stars")': 'Index("stars"), Index("body"), Index("version")'}, APP)
    shown = project.persisty("diff", "--deployed", *LOCAL)
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [
        f"/{TABLE}/{index}" for index in ("by-text", "by-version", "by-author_id")
    ]
    # an index over a renamed attribute has the name by which DynamoDB stores it
    planned = [line.partition(": ")[2] for line in project.deploy("--plan").splitlines() if line.startswith("wave")]
    assert planned == [f"add {TABLE}.by-text", f"add {TABLE}.by-version", f"remove {TABLE}.by-author_id"]
    assert project.indexes(TABLE) == {"by-author_id", "by-stars"}
    project.edit({', Index("body")': ""}, APP)
    # as an item that was stored before the attribute was declared
    dynamodb = project.client("dynamodb")
    [stored] = dynamodb.scan(TableName=TABLE)["Items"]
    dynamodb.update_item(TableName=TABLE, Key={"id": stored["id"]}, UpdateExpression="REMOVE version")
    printed = project.deploy()
    assert "wave 2 of 2" in printed
    assert project.indexes(TABLE) == {"by-stars", "by-version"}
    found = call("GET", f"{project.api(printed)}/api/note?version=1")[1]["items"]
    assert [one["author_id"] for one in found] == ["ann"]
    # the deployment has completed it for the new index
    assert dynamodb.scan(TableName=TABLE, IndexName="by-version")["Count"] == 1


def refused_losses(project: Project) -> None:
    text = (project.folder / APP).read_text()
    other_key = {
        "    id: Attr[UUID] = GENERATED\n    body": "    id: Attr[int] = SEQUENCE\n    body",
        "import GENERATED,": "import GENERATED, SEQUENCE,",
    }
    project.edit({"everyone))\nclass Topic": "everyone), name='subject')\nclass Topic", **other_key}, APP)
    refused = project.deploy(code=2)
    assert "--allow remove:my-shop--dev--topic" in refused
    assert "The key of a table cannot change from id (S) to id (N)" in refused
    assert "nothing was changed" in refused
    (project.folder / APP).write_text(text)
    assert project.indexes(TABLE) == {"by-stars", "by-version"}


def stuck_stack(project: Project, aws: StackStatuses) -> None:
    """An update fails, and its rollback fails too. The command names the remedy, and so does each command until the stack is rolled back."""
    remedy = (
        "The stack MyShop-dev-Api is in UPDATE_ROLLBACK_FAILED: its last update failed, and its rollback failed too"
    )
    aws.updated["MyShop-dev-Api"] = "UPDATE_ROLLBACK_FAILED"
    project.edit({"max_length=2000": "max_length=3000"}, APP)
    printed = project.deploy(code=1)
    assert "DeploymentError: The stack named MyShop-dev-Api failed to deploy: UPDATE_ROLLBACK_FAILED" in printed
    assert remedy in printed
    assert "`cdk rollback MyShop-dev-Api`" in printed
    assert "UPDATE_ROLLBACK_FAILED" in (project.folder / ".persisty/cdk.log").read_text()
    assert remedy in project.deploy(code=2)
    aws.statuses["MyShop-dev-Api"] = "UPDATE_ROLLBACK_COMPLETE"
    assert "wave 1 of 1: functions and APIs" in project.deploy("--plan")
    aws.statuses.clear()


def destroy_and_deploy_again(project: Project) -> None:
    """Delete the stacks. The next deployment adopts the tables with their items, and leaves the secret as it is."""
    secrets = project.client("secretsmanager")
    [before] = secrets.list_secrets()["SecretList"]
    printed = project.persisty("destroy", "--yes", *LOCAL)
    for stack in ("MyShop-dev-Data", "MyShop-dev-Api"):
        assert f"{stack}: deleted" in printed
    remaining = next(line for line in printed.splitlines() if line.startswith("These tables and secrets remain: "))
    made = {"my-shop--dev--persisty-schema", "my-shop--dev--persisty-migration", "persisty/my-shop/dev/tokens"}
    assert {TABLE, *made} <= {*remaining.partition(": ")[2].split(", ")}
    printed = project.persisty("destroy", "--yes", *LOCAL)
    assert "Nothing to delete: no stack MyShop-dev-Data or MyShop-dev-Api exists" in printed
    assert remaining in printed
    printed = project.deploy()
    assert project.indexes(TABLE) == {"by-stars", "by-version"}
    found = call("GET", f"{project.api(printed)}/api/note")[1]["items"]
    assert [one["body"] for one in found] == ["Deployed"]
    assert [one["ARN"] for one in secrets.list_secrets()["SecretList"]] == [before["ARN"]]


def roll_back(project: Project, urls: dict[str, str], before: str) -> None:
    """Go back to the declaration of the first day, in the account and in each database."""
    project.edit({'Index("stars"), Index("version")': 'Index("author_id"), Index("stars")'}, APP)
    printed = project.deploy()
    assert project.indexes(TABLE) == {"by-author_id", "by-stars"}
    found = call("GET", f"{project.api(printed)}/api/note")[1]["items"]
    assert [one["body"] for one in found] == ["Deployed"]
    for url in urls.values():
        assert "Undone: migrations/0001_" in project.persisty("migrate", "--back-to", "0", "--url", url)
    (project.folder / APP).write_text(before)
    for engine, url in urls.items():
        shown = project.persisty(
            "shell", "--url", url, "-c", SHOWN.format(text="text", stars="one.created_at.year > 2000")
        )
        assert shown.strip() == str([(text, True) for text in TEXTS]), engine
