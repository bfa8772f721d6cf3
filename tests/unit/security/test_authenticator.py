"""The authenticator of the settings: invalid settings, the source of secrets, and the cache of tokens."""

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
def test_a_missing_secret_stops_a_production_start_if_rules_depend_on_callers(
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


def test_the_environment_configures_the_issuers_that_an_app_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_invalid_settings_stop_a_start_and_show_no_secret(said: dict[str, str]) -> None:
    for stage in ("dev", "prod"):
        with pytest.raises(InvalidDeclaration) as refused:
            of(stage, needed=False, **said)
        assert said.get("secret", "\0") not in str(refused.value)


def test_a_file_contains_the_secret_or_a_key(tmp_path: Path) -> None:
    for name, text in (("secret", tokens.SECRET), ("key", tokens.private_pem("ec"))):
        (tmp_path / name).write_text(text)
        here = of(token_key_file=str(tmp_path / name))
        assert here.caller(here.token(Caller("ann"))).subject == "ann"


def test_no_output_or_error_contains_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_configuration_every_token_is_rejected_and_none_is_made() -> None:
    here = of("dev")
    assert here.authenticate({}) is ANONYMOUS
    with pytest.raises(Unauthenticated):
        here.caller(tokens.own())
    with pytest.raises(InvalidDeclaration, match="PERSISTY_TOKEN_SECRET"):
        here.token(Caller("ann"))


def test_a_laptop_generates_a_secret_once_with_a_warning_that_does_not_show_it(
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


def test_a_generated_secret_is_not_used_in_another_stage() -> None:
    make_local()
    with pytest.raises(InvalidDeclaration):
        of("prod")


def test_concurrent_processes_generate_the_same_secret(tmp_path: Path) -> None:
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(make_local(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(made) == [False] * 7 + [True]


def test_no_secret_is_generated_if_one_is_configured_or_on_a_server(
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


def test_a_secret_in_aws_is_read_once_at_the_first_token(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_secret_that_cannot_be_read_from_aws_is_not_the_callers_error(
    aws: None, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_a_token_is_verified_once_and_cached_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_token_is_not_cached_longer_than_a_withdrawn_key_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, token = Counted(monkeypatch), tokens.own(exp=tokens.now() + 10**6)
    counted.asks(token)
    counted.now += CACHE_SECONDS + 1
    counted.asks(token)
    assert counted.verified == 2


def test_the_cache_of_tokens_is_bounded_and_contains_no_token_itself(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_rejected_tokens_are_never_cached(monkeypatch: pytest.MonkeyPatch) -> None:
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
