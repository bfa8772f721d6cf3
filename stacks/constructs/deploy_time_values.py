"""Values of the CDK that are known only after a deployment, such as the ARN of a secret in the same stack.

A plan is data, and its checks read ARNs and ids. Such a value is therefore planned as a stand-in of the same shape, and the plan gets the value back
before any construct is made. The same place turns constructs among the options, such as a secret, into data.

    options with secrets and tokens ─► `options` ─► data with stand-ins ─► planned() ─► `filled` ─► plan with tokens
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from msgspec import Struct

from persisty.deploy.resources import Plan
from persisty.errors import Fault, InvalidDeclaration

T = TypeVar("T")
SECRET_STAND_IN, POOL_STAND_IN, URL_STAND_IN, WORD_STAND_IN = (
    "arn:aws:secretsmanager:us-east-1:000000000000:secret:stand-in-{:04}",
    "us-east-1_StandIn{:04}",
    "https://stand-in-{:04}.invalid",
    "StandIn{:04}",
)
"""Texts of the shape that the checks of a plan expect. They have the same length, so none is a part of another."""
SECRETS = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}
"""Service that stores a secret → the action that reads it."""
ARN_OF = {"secret_arn": "secretsmanager", "parameter_arn": "ssm"}
"""Attribute of a construct that is a secret or a parameter → its service."""
ALLOW = "Allow"


class DeployTimeValues:
    """The stand-ins of one deployment, and the constructs among its options."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._constructs: dict[str, Any] = {}

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as data. `InvalidDeclaration` for a statement that only a policy of IAM can express."""
        found = dict(given)
        for name, convert in (("settings", self._stage), ("actions", self._action)):
            rows = given.get(name)
            if isinstance(rows, Mapping):
                found[name] = {
                    key: convert(f"/{name}/{key}", row) if isinstance(row, Mapping) else row
                    for key, row in rows.items()
                }
        return found

    def filled(self, plan: Plan) -> Plan:
        """Return the plan with the values in place of their stand-ins."""
        found: Plan = self._filled(plan) if self._values else plan
        return found

    def read_secret(self, role: iam.IRole, arn: str) -> None:
        """Allow a role to read one secret or parameter, and to decrypt it with the key that its construct names.

        The ARN of a secret may lack the six characters that Secrets Manager appends to its name. Of an ARN that is known only after the
        deployment, the service is not known either: AWS applies the action of the right one.
        """
        construct, named = self._constructs.get(arn), arn.split(":")[2:3]
        known = [_service(construct)] if construct is not None else named
        services = [service for service in SECRETS if known in ([], [service])]
        complete = not named if construct is None else getattr(construct, "secret_full_arn", arn) is not None
        resources = [arn] if complete or "secretsmanager" not in services else [arn, f"{arn}-??????"]
        actions = [SECRETS[service] for service in services]
        role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=resources))
        key = getattr(construct, "encryption_key", None)
        if key is not None:
            key.grant_decrypt(role)

    def _stage(self, path: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a stage. Only the settings that a plan reads need stand-ins."""
        found = {name: self._text(value) for name, value in variables.items()}
        for name, convert in SETTINGS.items():
            value = found.get(name)
            if isinstance(value, str) and cdk.Token.is_unresolved(value):
                found[name] = convert(self, value)
        return found

    def _action(self, path: str, row: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(row)
        if isinstance(secrets := row.get("secrets"), Mapping):
            found["secrets"] = {name: self.secret(self._text(value)) for name, value in secrets.items()}
        if isinstance(statements := row.get("statements"), list | tuple):
            found["statements"] = [_statement(f"{path}/statements/{at}", one) for at, one in enumerate(statements)]
        return found

    def _text(self, value: T) -> T | str:
        """Return the ARN of a secret or parameter, and any other value as it is."""
        attribute = next((name for name in ARN_OF if hasattr(value, name)), None)
        if attribute is None:
            return value
        arn = str(getattr(value, attribute))
        self._constructs[arn] = value
        return arn

    def secret(self, value: T) -> T | str:
        return self._stand_in(SECRET_STAND_IN, value) if _is_late(value) else value

    def issuers(self, value: str) -> str:
        """Return the issuers with stand-ins for pools of Cognito and for URLs."""
        return " ".join(map(self._issuer, re.split(r"[\s,]+", value.strip(", \n\t"))))

    def _issuer(self, spelled: str) -> str:
        kind, _, place = spelled.partition(":")
        if not _is_late(place):
            return spelled
        return f"{kind}:{self._stand_in(POOL_STAND_IN if kind == 'cognito' else URL_STAND_IN, place)}"

    def words(self, value: str) -> str:
        """Return words, such as ids of clients, with a stand-in for each that is not known yet."""
        words = re.split(r"[\s,]+", value.strip(", \n\t"))
        return " ".join(self._stand_in(WORD_STAND_IN, one) if _is_late(one) else one for one in words)

    def _stand_in(self, shape: str, value: Any) -> str:
        stand_in = shape.format(len(self._values))
        self._values[stand_in] = value
        return stand_in

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            for stand_in, late in self._values.items():
                value = value.replace(stand_in, late)
            return value
        if isinstance(value, Struct):
            return type(value)(**{name: self._filled(getattr(value, name)) for name in value.__struct_fields__})
        if isinstance(value, Mapping):
            return {self._filled(name): self._filled(one) for name, one in value.items()}
        return tuple(map(self._filled, value)) if isinstance(value, tuple) else value


SETTINGS: dict[str, Callable[[DeployTimeValues, str], str]] = {
    "PERSISTY_TOKEN_SECRET_ARN": DeployTimeValues.secret,
    "PERSISTY_TOKEN_ISSUERS": DeployTimeValues.issuers,
    "PERSISTY_TOKEN_AUDIENCE": DeployTimeValues.words,
}
"""Setting that a plan reads → the method that makes its stand-ins. Every other variable is passed to the functions as it is."""


def _is_late(value: Any) -> bool:
    return isinstance(value, str) and bool(cdk.Token.is_unresolved(value))


def _service(construct: Any) -> str:
    return next(service for attribute, service in ARN_OF.items() if hasattr(construct, attribute))


def _statement(path: str, given: Any) -> Any:
    """Return a statement of IAM as data, and any other value as it is."""
    if not isinstance(given, iam.PolicyStatement):
        return given
    if given.effect is not iam.Effect.ALLOW or given.not_actions or given.not_resources:
        raise InvalidDeclaration(
            "A statement cannot be used", faults=[Fault(path, "Not an Allow of actions on resources", "an Allow")]
        )
    found = {"actions": list(given.actions), "resources": list(given.resources)}
    return {**found, "conditions": dict(given.conditions)} if given.conditions else found
