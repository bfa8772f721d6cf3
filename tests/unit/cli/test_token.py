"""`persisty token` prints a token that servers with the same secret accept."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from persisty import settings
from persisty.security.authenticator import authenticator_of
from tests import tokens

from .conftest import Persisty


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working directory, and no setting of the developer's shell about tokens."""
    for name in settings.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PERSISTY_TOKEN_SECRET", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_token_has_the_requested_claims(persisty: Persisty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    monkeypatch.setenv("PERSISTY_TOKEN_AUDIENCE", "api")
    done = persisty(
        *("token", "--subject", "ann", "--scope", "admin", "--scope", "read write", "--expires", "90m"),
        *("--claim", "tenant=t1", "--claim", "groups:=[1, 2]", "--claim", "note=a=b"),
    )
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    said = jwt.decode(done.out.strip(), tokens.SECRET, ["HS256"], audience="api", issuer="persisty")
    assert said["exp"] - said["iat"] == 5400
    assert (said["sub"], said["scope"], said["tenant"], said["groups"], said["note"]) == (
        "ann", "admin read write", "t1", [1, 2], "a=b",
    )  # fmt: skip


@pytest.mark.parametrize("value", ['["icu"]', '{"ward": "icu"}'])
def test_a_claim_of_text_that_looks_like_json_has_a_hint(
    persisty: Persisty, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    done = persisty("token", "--subject", "ann", "--claim", f"wards={value}")
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert f"--claim wards:='{value}'" in done.err


def test_on_a_laptop_a_secret_is_generated_that_the_next_start_uses(persisty: Persisty) -> None:
    first, second = persisty("token", "--subject", "ann"), persisty("token", "--subject", "bob")
    assert (first.code, second.code, second.err) == (0, 0, "")
    here = authenticator_of(settings.load(), "dev", None, needed=True)
    assert [here.caller(one.out.strip()).subject for one in (first, second)] == ["ann", "bob"]


def test_in_another_stage_no_secret_is_generated(
    persisty: Persisty, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERSISTY_STAGE", "prod")
    done = persisty("token", "--subject", "ann")
    assert (done.code, done.out) == (2, "")
    assert "PERSISTY_TOKEN_SECRET" in done.err
    assert not (tmp_path / ".persisty").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        (), ("--claim", "a=b"), ("--subject", ""), ("--scope", " "),
        *(("--subject", "ann", "--claim", claim) for claim in ("x", "=x", ":=1", "x:=", "x:={", "exp=9", "sub:=1", "x:=\udc80")),
        *(("--subject", "ann", "--expires", text) for text in ("", "0s", "1", "1w", "-1h", "1.5h", "367d", "9999999999s", "\u0661h")),
    ],
)  # fmt: skip
def test_an_invalid_token_request_is_a_usage_error_without_output(
    wrong: tuple[str, ...], persisty: Persisty, tmp_path: Path
) -> None:
    done = persisty("token", *wrong)
    assert (done.code, done.out) == (2, "")
    assert not (tmp_path / ".persisty").exists()
