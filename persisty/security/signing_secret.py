"""Where the key of persisty's own tokens comes from: a variable, a file, AWS, or, on a laptop, a secret made up and kept.

It never becomes part of `Settings`, of a template or of a message.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import BackendUnavailable, InvalidDeclaration
from .keys import Key, Keys, keys_in

LOCAL_STAGES = frozenset({"dev", "local", "test"})
"""Stages in which a secret may be made up."""
LOCAL_FOLDER, LOCAL_FILE = ".persisty", "token-secret"
"""Where it is kept, below the working directory."""


def own_keys(configured: settings.Settings, stage: str, secret: str | None) -> Keys | None:
    """The keys of persisty's own tokens, None if nothing says any. `InvalidDeclaration` if what is said is no key.

    What is here is read now, so that a mistake stops the start; what AWS keeps is asked for when a token first needs it.
    """
    said = [secret, configured.token_key_file, configured.token_secret_arn]
    if len([one for one in said if one]) > 1:
        raise InvalidDeclaration(
            "Only one of PERSISTY_TOKEN_SECRET, _KEY_FILE and _SECRET_ARN can be what signs tokens"
        )
    if secret:
        return _known(lambda: keys_in(secret))
    if configured.token_key_file:
        path = Path(configured.token_key_file)
        return _known(lambda: keys_in(_read(path)))
    if configured.token_secret_arn:
        return Keys(_stored(configured.token_secret_arn))
    local = Path(LOCAL_FOLDER, LOCAL_FILE)
    return _known(lambda: keys_in(_read(local))) if stage in LOCAL_STAGES and local.is_file() else None


def _known(load: Callable[[], tuple[Key, ...]]) -> Keys:
    load()
    return Keys(load)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"PERSISTY_TOKEN_KEY_FILE cannot be read: {type(error).__name__}") from None


def _of_secrets_manager(client: Any, arn: str) -> Any:
    return client.get_secret_value(SecretId=arn).get("SecretString")


def _of_parameters(client: Any, arn: str) -> Any:
    return client.get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"]


STORES: dict[str, Callable[[Any, str], Any]] = {"secretsmanager": _of_secrets_manager, "ssm": _of_parameters}
"""Service that an ARN names → what it keeps there."""


def service_of(arn: str) -> str:
    """The service that an ARN is of. `InvalidDeclaration` if no secret can be kept there."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] not in STORES:
        raise InvalidDeclaration("PERSISTY_TOKEN_SECRET_ARN is not the ARN of a secret or a parameter")
    return parts[2]


def _stored(arn: str) -> Callable[[], tuple[Key, ...]]:
    service, region = service_of(arn), arn.split(":")[3]

    def load() -> tuple[Key, ...]:
        config = import_module("botocore.config").Config(
            connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"}
        )
        errors = import_module("botocore.exceptions")
        try:
            client = import_module("boto3").client(service, region_name=region or None, config=config)
            text = STORES[service](client, arn)
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise BackendUnavailable(
                f"The secret of tokens cannot be had from {service}: {type(error).__name__}"
            ) from error
        return keys_in(text if isinstance(text, str) else "")

    return load
