"""The authenticator as settings make it: what stops a start, where secrets come from, what is remembered."""

from __future__ import annotations

import logging
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws

from persisty import (
    App,
    Attr,
    InvalidDeclaration,
    authenticated,
    everyone,
    owned,
    public,
    read_only,
    scope,
    settings,
    stored,
    where,
)
from persisty.errors import BackendUnavailable, Unauthenticated
from persisty.model.access import Access
from persisty.security import authenticator as module
from persisty.security.authenticator import CACHE_SECONDS, MAX_CACHED, Authenticator, authenticator_of
from persisty.security.caller import ANONYMOUS, Caller
from persisty.security.local_secret import ensure, make_local
from persisty.security.signing_secret import LOCAL_STAGES
from tests import tokens

TOKEN_VARIABLES = [*(name for name in settings.VARIABLES if name.startswith("PERSISTY_TOKEN")), "PERSISTY_TOKEN_SECRET"]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def of(stage: str = "prod", secret: str | None = None, *, needed: bool = True, **said: str) -> Authenticator:
    return authenticator_of(settings.Settings(**said), stage, secret, needed=needed)


def app_of(access: Any, stage: str, **attributes: Any) -> App:
    class Note:
        id: str
        writer: str | None
        draft: str | None = Attr(**attributes)

    return App("notes", items=[stored(access=access)(Note)], url="memory://", stage=stage)


@pytest.mark.parametrize(
    ("access", "attributes", "needed"),
    [
        (public, {}, False),
        (read_only, {}, False),
        (Access(read=where(writer="x")), {}, False),
        (Access(read=everyone, update=authenticated), {}, True),
        (Access(read=everyone, delete=scope("admin") | where(writer="x")), {}, True),
        (Access(read=~owned("writer")), {}, True),
        (public, {"readable": scope("admin")}, True),
    ],
)
def test_a_missing_secret_stops_a_production_start_if_rules_look_at_callers(
    access: Any, attributes: dict[str, Any], needed: bool
) -> None:
    for stage in sorted(LOCAL_STAGES):
        assert repr(app_of(access, stage, **attributes).authenticator) == "Authenticator()"
    live = app_of(access, "live", **attributes)
    assert live.looks_at_callers is needed
    if needed:
        with pytest.raises(InvalidDeclaration, match="stage live trusts no token issuer"):
            _ = live.authenticator
    else:
        assert repr(live.authenticator) == "Authenticator()"


def test_the_environment_says_whom_an_app_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    monkeypatch.setenv("PERSISTY_TOKEN_AUDIENCE", f"other,{tokens.AUDIENCE}")
    app = app_of(Access(read=authenticated), "prod")
    assert app.authenticator.caller(tokens.own()).subject == "ann"
    assert app.authenticator is app.authenticator


@pytest.mark.parametrize(
    "said",
    [
        {"secret": "hush hush"},
        {"token_leeway": "soon"},
        {"token_leeway": "-1"},
        {"token_leeway": "601"},
        {"token_leeway": "٣"},
        {"token_issuers": "okta:x", "token_audience": "a"},
        {"token_issuers": "auth0:acme.auth0.com"},
        {"token_key_file": "nowhere"},
        {"token_secret_arn": "my-secret"},
        {"token_secret_arn": "arn:aws:s3:::bucket/secret"},
        {"secret": tokens.SECRET, "token_key_file": "x"},
        {"secret": tokens.SECRET, "token_secret_arn": "arn:aws:ssm:eu-west-1:1:parameter/x"},
    ],
)
def test_settings_that_make_no_sense_stop_a_start_and_show_no_secret(said: dict[str, str]) -> None:
    for stage in ("dev", "prod"):
        with pytest.raises(InvalidDeclaration) as refused:
            of(stage, needed=False, **said)
        assert said.get("secret", "\0") not in str(refused.value)


def test_a_file_holds_the_secret_or_a_key(tmp_path: Path) -> None:
    for name, text in (("secret", tokens.SECRET), ("key", tokens.private_pem("ec"))):
        (tmp_path / name).write_text(text)
        here = of(token_key_file=str(tmp_path / name))
        assert here.caller(here.token(Caller("ann"))).subject == "ann"


def test_nothing_that_is_printed_or_told_has_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    here = of(secret=tokens.SECRET)
    shown = [
        repr(here),
        str(vars(here)),
        repr(settings.load()),
        str(msgspec.to_builtins(settings.load())),
        repr(settings.VARIABLES),
    ]
    shown += [repr(issuer) + repr(issuer.keys) + str(vars(issuer.keys)) for issuer in here._issuers.values()]
    assert not any(tokens.SECRET in one for one in shown)
    assert settings.token_secret() == tokens.SECRET
    assert settings.token_secret({"PERSISTY_TOKEN_SECRET": ""}) is None


def test_without_anything_configured_no_token_counts_and_none_is_made() -> None:
    here = of("dev")
    assert here.authenticate({}) is ANONYMOUS
    with pytest.raises(Unauthenticated):
        here.caller(tokens.own())
    with pytest.raises(InvalidDeclaration, match="PERSISTY_TOKEN_SECRET"):
        here.token(Caller("ann"))


def test_a_laptop_makes_up_a_secret_once_with_a_warning_that_does_not_tell_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_local()
    secret = (tmp_path / ".persisty" / "token-secret").read_text().strip()
    assert stat.S_IMODE((tmp_path / ".persisty" / "token-secret").stat().st_mode) == 0o600
    assert (tmp_path / ".persisty" / ".gitignore").read_text() == "*\n"
    assert "no secret for tokens" in caplog.text
    assert secret not in caplog.text
    assert not make_local()
    assert (tmp_path / ".persisty" / "token-secret").read_text().strip() == secret
    token = of("dev").token(Caller("ann"))
    assert of("dev").caller(token).subject == "ann"
    assert sorted(one.name for one in (tmp_path / ".persisty").iterdir()) == [".gitignore", "token-secret"]


def test_a_secret_that_was_made_up_counts_in_no_other_stage() -> None:
    make_local()
    with pytest.raises(InvalidDeclaration):
        of("prod")


def test_of_processes_that_make_one_up_at_once_all_have_the_same(tmp_path: Path) -> None:
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(make_local(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(made) == [False] * 7 + [True]


def test_none_is_made_up_where_one_is_configured_or_outside_of_a_laptop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ensure(settings.Settings(), "prod")
    ensure(settings.Settings(token_key_file="key"), "dev")
    ensure(settings.Settings(token_secret_arn="arn"), "dev")
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    ensure(settings.Settings(), "dev")
    assert not (tmp_path / ".persisty").exists()
    monkeypatch.delenv("PERSISTY_TOKEN_SECRET")
    ensure(settings.Settings(), "dev")
    assert (tmp_path / ".persisty" / "token-secret").exists()


@pytest.fixture
def aws(credentials: None) -> Iterator[None]:
    with mock_aws():
        yield


def test_a_secret_that_aws_keeps_is_read_once_when_a_token_first_needs_it(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = boto3.client("secretsmanager", region_name="eu-west-1")
    parameters = boto3.client("ssm", region_name="eu-west-1")
    arns = [manager.create_secret(Name="tokens", SecretString=tokens.SECRET)["ARN"]]
    for name in ("tokens", "/deep/er/tokens"):
        parameters.put_parameter(Name=name, Value=tokens.SECRET, Type="SecureString")
        arns.append(parameters.get_parameter(Name=name)["Parameter"]["ARN"])
    asked: list[str] = []
    client = boto3.client

    def counted(service: str, **options: Any) -> Any:
        asked.append(service)
        assert options["config"].read_timeout <= 5
        assert options["config"].retries["total_max_attempts"] <= 3
        return client(service, **options)

    monkeypatch.setattr(boto3, "client", counted)
    for arn in arns:
        asked.clear()
        here = of(token_secret_arn=arn, token_audience=tokens.AUDIENCE)
        assert asked == []
        for number in range(3):
            assert here.caller(tokens.own(number=number)).subject == "ann"
        assert asked == [arn.split(":")[2]]
        assert tokens.SECRET not in repr(here)


def test_a_secret_that_aws_does_not_give_is_no_fault_of_the_caller(aws: None, caplog: pytest.LogCaptureFixture) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nothing-abcdef"
    with pytest.raises(BackendUnavailable) as raised:
        of(token_secret_arn=arn).caller(tokens.own())
    assert raised.value.status == 503
    boto3.client("secretsmanager", region_name="eu-west-1").create_secret(Name="weak", SecretString="weak-secret")
    weak = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:weak"
    with pytest.raises(InvalidDeclaration) as refused:
        of(token_secret_arn=weak).caller(tokens.own())
    assert "weak-secret" not in str(refused.value)


class Counted:
    """An authenticator whose verifications are counted, and whose clock can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verified, self.now = 0, float(tokens.now())
        verify = module.verify

        def count(*arguments: Any) -> Any:
            self.verified += 1
            return verify(*arguments)

        monkeypatch.setattr(module, "verify", count)
        trusting = tokens.authenticator()
        self.here = Authenticator(trusting._own, leeway=0, clock=lambda: self.now)

    def asks(self, token: str) -> Caller:
        return self.here.authenticate({"authorization": f"Bearer {token}"})


def test_a_token_is_verified_once_and_remembered_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, token = Counted(monkeypatch), tokens.own(exp=tokens.now() + 100)
    header = {"authorization": f"Bearer {token}"}
    assert not counted.here.ready(header)
    first = counted.asks(token)
    assert all(counted.asks(token) is first for _ in range(10))
    assert counted.here.ready(header)
    assert counted.verified == 1
    counted.now += 101
    assert not counted.here.ready(header)
    counted.asks(token)
    assert counted.verified == 2


def test_a_token_is_not_remembered_for_longer_than_a_key_may_outlive_its_issuer_s_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, token = Counted(monkeypatch), tokens.own(exp=tokens.now() + 10**6)
    counted.asks(token)
    counted.now += CACHE_SECONDS + 1
    counted.asks(token)
    assert counted.verified == 2


def test_no_more_tokens_are_remembered_than_is_said_and_none_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    given = [tokens.own(number=number) for number in range(MAX_CACHED + 5)]
    for token in given:
        counted.asks(token)
        counted.asks(given[0])
    assert len(counted.here._verified) == MAX_CACHED
    assert counted.verified == MAX_CACHED + 5
    assert not any(token.encode() in counted.here._verified or token in str(counted.here._verified) for token in given)
    counted.asks(given[1])
    assert counted.verified == MAX_CACHED + 6


def test_what_was_refused_is_never_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            counted.asks(tokens.own(exp=1))
    assert counted.verified == 3
    assert len(counted.here._verified) == 0


def test_a_request_without_credentials_costs_no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    assert of(secret=tokens.SECRET).authenticate({"accept": "*/*"}) is ANONYMOUS


def test_hs256_needs_no_cryptography(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys\nsys.modules['cryptography'] = None\n"
        "from persisty.settings import Settings\n"
        "from persisty.security.authenticator import authenticator_of\n"
        "from persisty.security.caller import Caller\n"
        "here = authenticator_of(Settings(), 'prod', 's' * 40, needed=True)\n"
        "print(here.caller(here.token(Caller('ann'))).subject)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (run.stdout, run.stderr) == ("ann\n", "")


def test_logging_is_quiet_about_tokens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    here = of(secret=tokens.SECRET, token_audience=tokens.AUDIENCE)
    here.caller(tokens.own())
    assert caplog.text == ""
