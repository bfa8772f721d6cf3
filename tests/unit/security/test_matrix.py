"""The access matrix equals the behaviour of the app."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from typer.testing import CliRunner

from persisty import (
    Access,
    App,
    Attr,
    Caller,
    authenticated,
    claim,
    everyone,
    member,
    nobody,
    owned,
    private,
    scope,
    stored,
    where,
)
from persisty.cli.main import commands
from persisty.security.access_matrix import ALL, NONE, VERBS, access_matrix, roles_of


@stored(
    access=Access(
        read=where(public=True) | owned("owner") | scope("admin"),
        create=owned("owner"),
        update=(owned("owner") & ~scope("banned")) | scope("admin"),
        delete=scope("admin") & claim("level", 3),
        count=nobody,
    )
)
class Page:
    id: UUID
    owner: str
    public: bool = False
    tenant: str = ""
    draft: str = Attr(default="", readable=owned("owner") | scope("admin"), updatable=scope("admin"))
    digest: str = Attr(default="", readable=False)


@stored(access=private)
class Hidden:
    id: UUID


@stored(access=member("tenant", "tenants"))
class Shared:
    id: UUID
    tenant: str


APP = App("matrix", items=[Page, Hidden, Shared], url="memory://")
ROWS = {(row.store, row.attribute, row.verb): row.cells for row in access_matrix(APP.metas.values())}


def test_every_store_and_verb_has_a_row_and_every_scope_a_role() -> None:
    assert list(roles_of(APP.metas.values())) == ["anonymous", "authenticated", "scope admin", "scope banned"]
    assert {key for key in ROWS if key[1] is None} == {(name, None, verb) for name in APP.metas for verb in VERBS}


def test_the_remaining_rule_for_each_role() -> None:
    assert ROWS["page", None, "read"] == {
        "anonymous": "public == True",
        "authenticated": "public == True or owner == subject",
        "scope admin": ALL,
        "scope banned": "public == True or owner == subject",
    }
    assert ROWS["page", None, "update"] == {
        "anonymous": NONE,
        "authenticated": "owner == subject",
        "scope admin": ALL,
        "scope banned": NONE,
    }
    assert ROWS["page", None, "delete"]["scope admin"] == "claim level is 3"
    assert ROWS["page", "draft", "readable"]["authenticated"] == "owner == subject"
    assert ROWS["page", "draft", "updatable"]["scope admin"] == ALL
    assert set(ROWS["page", "digest", "readable"].values()) == {NONE}
    assert set(ROWS["hidden", None, "read"].values()) == {NONE}
    assert ROWS["shared", None, "delete"]["authenticated"] == "tenant in claim tenants"


@pytest.mark.parametrize("item", [Page, Hidden, Shared])
def test_the_matrix_agrees_with_the_app(item: type) -> None:
    name = item.__persisty__.name  # type: ignore[attr-defined]
    for role, caller in roles_of(APP.metas.values()).items():
        for verb in VERBS:
            cell = ROWS[name, None, verb][role]
            if cell in (ALL, NONE):
                assert APP.can(caller, verb, item) is (cell == ALL), (role, verb)


def test_can_checks_an_item() -> None:
    mine = Page(id=uuid4(), owner="ann")
    ann = Caller("ann")
    assert APP.can(ann, "update", mine)
    assert not APP.can(Caller("ben"), "read", mine)
    assert APP.can(Caller("ben"), "read", Page(id=uuid4(), owner="ann", public=True))
    assert not APP.can(ann, "delete", mine)
    assert APP.can(Caller("x", frozenset({"admin"}), {"level": 3}), "delete", mine)
    with pytest.raises(Exception, match="Unknown verb"):
        APP.can(ann, "destroy", mine)


@stored(access=Access(read=everyone, create=authenticated))
class Thing:
    id: UUID


SHOWN = App("shown", items=[Thing], url="memory://")


def test_the_command_prints_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    arguments = ["access", f"{__name__}:SHOWN"]
    printed = CliRunner().invoke(commands(arguments), arguments)
    assert printed.exit_code == 0
    lines = [line.split() for line in printed.stdout.splitlines()]
    assert ["read", "all", "all"] in lines
    assert ["create", "none", "all"] in lines
    assert ["delete", "none", "none"] in lines
    as_json = ["access", f"{__name__}:SHOWN", "--json"]
    rows = msgspec.json.decode(CliRunner().invoke(commands(as_json), as_json).stdout)
    assert {
        "store": "thing",
        "verb": "create",
        "cells": {"anonymous": "none", "authenticated": "all"},
        "attribute": None,
    } in rows


def test_the_command_reports_a_missing_app() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "persisty", "access", "no_such_module:app"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert found.returncode == 2
    assert "no_such_module" in found.stderr
