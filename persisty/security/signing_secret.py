"""The key that signs persisty's own tokens: from a variable, a file, AWS, or in a local stage a generated secret.

The key never becomes part of `Settings`, of a template or of a message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import settings
from ..drivers import driver
from ..errors import BackendUnavailable, InvalidDeclaration
from .keys import Key, Keys, keys_in

LOCAL_STAGES = frozenset({"dev", "local", "test"})
"""Stages in which a secret may be generated."""
LOCAL_FOLDER, LOCAL_FILE = ".persisty", "token-secret"
"""The place of the generated secret, below the working directory."""


def own_keys(configured: settings.Settings, stage: str, secret: str | None) -> Keys | None:
    """Return the keys of persisty's own tokens, None if no key is configured. Raises `InvalidDeclaration` if the configured text is not a key.

    A local key is read now, so that a mistake stops the start. A key in AWS is loaded when a token first needs it.
    """
    sources = [secret, configured.token_key_file, configured.token_secret_arn]
    if len([one for one in sources if one]) > 1:
        raise InvalidDeclaration("Set only one of PERSISTY_TOKEN_SECRET, _KEY_FILE and _SECRET_ARN")
    if secret:
        return _checked(lambda: keys_in(secret))
    if configured.token_key_file:
        path = Path(configured.token_key_file)
        return _checked(lambda: keys_in(_read(path)))
    if configured.token_secret_arn:
        return Keys(_loader(configured.token_secret_arn))
    local = Path(LOCAL_FOLDER, LOCAL_FILE)
    return _checked(lambda: keys_in(_read(local))) if stage in LOCAL_STAGES and local.is_file() else None


def _checked(load: Callable[[], tuple[Key, ...]]) -> Keys:
    load()
    return Keys(load)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"PERSISTY_TOKEN_KEY_FILE cannot be read: {type(error).__name__}") from None


def _secret_value(client: Any, arn: str) -> Any:
    return client.get_secret_value(SecretId=arn).get("SecretString")


def _parameter_value(client: Any, arn: str) -> Any:
    return client.get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"]


SERVICES: dict[str, Callable[[Any, str], Any]] = {"secretsmanager": _secret_value, "ssm": _parameter_value}
"""Service of an ARN → the function that reads a value from its client."""


def service_of(arn: str) -> str:
    """Return the service of an ARN. Raises `InvalidDeclaration` if the service stores no secrets."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] not in SERVICES:
        raise InvalidDeclaration("PERSISTY_TOKEN_SECRET_ARN is not the ARN of a secret or a parameter")
    return parts[2]


def _loader(arn: str) -> Callable[[], tuple[Key, ...]]:
    service, region = service_of(arn), arn.split(":")[3]

    def load() -> tuple[Key, ...]:
        config = driver("botocore.config").Config(
            connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"}
        )
        errors = driver("botocore.exceptions")
        try:
            client = driver("boto3").client(service, region_name=region or None, config=config)
            text = SERVICES[service](client, arn)
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise BackendUnavailable(
                f"The token secret cannot be read from {service}: {type(error).__name__}"
            ) from error
        return keys_in(text if isinstance(text, str) else "")

    return load
