"""`persisty check` prints every mistake and warning in one run, and exits with a code for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import json

from .conftest import SHOP, Persisty

HEAD = "from persisty import App, Attr, Index, authenticated, nobody, owned, public, stored, where\n"
CONTRADICTORY = """
@stored(key="nope")
class Task:
    id: Attr[str]

@stored(indexes=[Index("missing")])
class Note:
    id: Attr[str]

order = Task.id.desc()
app = App("tasks", items=[Task, Note], url="memory://")
"""
DUBIOUS = """
@stored(access=where(done=True) & where(done=False))
class Task:
    id: Attr[str]
    done: Attr[bool]

@stored
class Hidden:
    id: Attr[str]

@stored(access=nobody)
class Internal:
    id: Attr[str]

@stored(access=owned("owner"))
class Note:
    id: Attr[str]
    owner: Attr[str]
    secret: Attr[str] = Attr(creatable=False)

app = App("tasks", items=[Task, Hidden, Internal, Note], url="memory://")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for variable in ("PERSISTY_TOKEN_SECRET", "PERSISTY_TOKEN_ISSUERS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_an_app_without_mistakes(persisty: Persisty) -> None:
    done = persisty("check", "examples.messenger.app:app")
    assert done.code == 0
    assert "no mistakes" in done.out


def test_the_mistakes_of_all_items_are_listed_even_if_the_module_fails(folder: Path, persisty: Persisty) -> None:
    (folder / "contradictory.py").write_text(HEAD + CONTRADICTORY)
    done = persisty("check", "contradictory:app")
    assert done.code == 2
    assert (
        "/Task/nope: is in the key but is not an attribute: declare it, or name the key's attributes: @stored(key=…)"
        in done.out
    )
    assert "/Note/missing: is in index by-missing but is not an attribute" in done.out
    assert "2 mistakes, no warnings" in done.out


OWNED = """
@stored(access=owned("ownr_id"))
class Visit:
    id: str
    visit: Attr[str] = Attr(readable=owned("nope"))
app = App("visits", items=[Visit])
"""


def test_the_path_of_a_mistake_names_the_item_once(folder: Path, persisty: Persisty) -> None:
    (folder / "misowned.py").write_text(HEAD + OWNED)
    found = json.decode(persisty("check", "misowned:app", "--json").out)
    assert [one["fault"]["path"] for one in found] == [
        "/Visit/access/owned/ownr_id",
        "/Visit/visit/readable/owned/nope",
    ]


def test_warnings_name_rules_stores_and_indexes(folder: Path, persisty: Persisty) -> None:
    (folder / "dubious.py").write_text(HEAD + DUBIOUS)
    done = persisty("check", "dubious:app", "--json")
    assert done.code == 0
    found = {(one["check"], one["fault"]["path"]) for one in json.decode(done.out)}
    assert found == {
        ("secret", "/stage"),
        ("access", "/hidden/access"),
        ("rules", "/task/access"),
        ("rules", "/note/secret"),
        ("indexes", "/note/owner"),
    }
    assert persisty("check", "dubious:app", "--strict").code == 1


def test_a_stage_without_a_way_to_sign_tokens_is_a_mistake(folder: Path, persisty: Persisty) -> None:
    (folder / "stages.py").write_text(HEAD + DUBIOUS)
    done = persisty("check", "stages:app", "--stage", "prod")
    assert done.code == 2
    assert "PERSISTY_TOKEN_SECRET" in done.out


def test_the_settings_of_cdk_json_are_checked(folder: Path, persisty: Persisty) -> None:
    (folder / "declared.py").write_text(HEAD + DUBIOUS)
    (folder / "cdk.json").write_text('{"context": {"settings": {"*": {"PERSISTY_NOPE": "1"}}}}')
    done = persisty("check", "declared:app")
    assert done.code == 2
    assert "/settings/*/PERSISTY_NOPE: Not a setting of a deployment" in done.out


def test_an_error_of_the_apps_own_code_is_shown_with_its_line(folder: Path, persisty: Persisty) -> None:
    (folder / "broken.py").write_text("1 / 0")
    done = persisty("check", "broken:app")
    assert (done.code, done.out) == (2, "")
    assert "  broken.py, line 1, in module" in done.err.splitlines()


def test_no_app(persisty: Persisty) -> None:
    assert persisty("check", "tests.unit.cli.shop:nothing").code == 2
    assert persisty("check", SHOP).code == 0


@pytest.mark.parametrize(
    ("declared", "line", "says"),
    [
        ("@stored(acess=public)\nclass Task:\n    id: Attr[str]\n", 2, "stored has no argument acess (expected"),
        ("@stored\nclass Task:\n    id: Attr[str] = Attr(defalt='a')\n", 4, "Attr has no argument defalt (expected"),
        ("@stored\nclass Task:\n    id: Attr[str, Index]\n", 4, "use Annotated"),
        ("app = App('tasks', itms=[])\n", 2, "App has no argument itms (expected"),
        (
            "import persisty\nTRIGGERS = [persisty.AfterUpdate('task', where=None)]\n",
            3,
            "AfterUpdate has no argument where (expected one of item, before, after, changed, retry",
        ),
    ],
)
def test_an_argument_that_does_not_exist_is_a_mistake_with_its_line(
    folder: Path, persisty: Persisty, declared: str, line: int, says: str
) -> None:
    (folder / "misspelled.py").write_text(HEAD + declared)
    result = persisty("check", "misspelled")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert f"mistake /: {folder / 'misspelled.py'}:{line}: " in result.out
    assert says in result.out
    assert persisty("schema", "misspelled").code == 2


def test_two_types_of_an_attribute_in_text_are_a_mistake(folder: Path, persisty: Persisty) -> None:
    text = "from __future__ import annotations\n" + HEAD + "@stored\nclass Task:\n    id: Attr[str, Index]\n"
    (folder / "misspelled.py").write_text(text)
    assert "use Annotated" in persisty("check", "misspelled").out


QUEUES = """
from servey.action.action import action
from persisty import Queue, Scheduled

@stored(access=nobody)
class Note:
    id: Attr[str]

@action(access_control=nobody, triggers=Queue("mails"))
def mail(to: str) -> None: ...

@action(access_control=nobody, triggers=Scheduled())
def remind() -> None: ...

app = App("notes", items=[Note], actions=[mail, remind])
"""


def test_triggers_that_no_deployment_runs_are_mistakes_only_if_the_project_is_deployed(
    folder: Path, persisty: Persisty
) -> None:
    (folder / "queued.py").write_text(HEAD + QUEUES)
    done = persisty("check", "queued:app")
    assert (done.code, done.out.count("warning /actions/"), "no mistakes, 2 warnings" in done.out) == (0, 2, True)
    (folder / "cdk.json").write_text("{}")
    done = persisty("check", "queued:app")
    assert (done.code, done.out.count("mistake /actions/"), "2 mistakes, no warnings" in done.out) == (2, 2, True)


def test_a_queue_that_no_action_handles_is_a_mistake(folder: Path, persisty: Persisty) -> None:
    (folder / "unhandled.py").write_text(HEAD + QUEUES + '\napp.queue("texts")\n')
    done = persisty("check", "unhandled:app")
    assert done.code == 2
    assert "mistake /queues/texts: No action handles this queue" in done.out
