"""Rules of cdk-nag's pack AwsSolutions and of checkov that a deployment does not follow, each with the reason. An audit of a CDK app with cdk-nag reads
the rules of cdk-nag; checkov reads its rules from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

ROTATION, AUTHORIZATION, VERBOSE_LOGS, WILDCARD, DEAD_LETTERS = "SMG4", "APIG4", "ASC3", "IAM5", "SQS3"
REASONS: dict[str, str] = {
    ROTATION: "A rotation that Secrets Manager schedules would end every token at once. The secret is rotated in two steps, which docs/authentication.md gives.",
    AUTHORIZATION: "The function authorizes each request by the rules that the app declares, and denies what no rule allows.",
    VERBOSE_LOGS: "Failed fields are logged. Verbose content is not: it has the headers and arguments of callers, tokens included.",
    WILDCARD: "AWS has no narrower resource: a version of the one function, a stream of the one table, a network interface, or X-Ray.",
    DEAD_LETTERS: "The queue is a dead-letter queue itself.",
}
"""Rule → why it is not followed."""
_OWN_KEY = "AWS encrypts it with a key that AWS manages. A key of your own costs money each month, and a function that loses it fails."
CHECKOV: dict[str, str] = {
    "CKV_AWS_115": "Reserved concurrency is taken from the other functions of the account. `functions` declares it.",
    "CKV_AWS_116": "Lambda uses a dead-letter queue for asynchronous invocations. APIs and streams invoke these functions. Those of timers have a destination for failures, which this check does not detect.",
    "CKV_AWS_117": "A network needs endpoints or a NAT gateway, which cost money. `vpc` declares it.",
    "CKV_AWS_119": _OWN_KEY,
    "CKV_AWS_149": _OWN_KEY,
    "CKV_AWS_158": _OWN_KEY,
    "CKV_AWS_173": "Variables have no secrets: they name the secret that a function reads.",
    "CKV_AWS_26": "CloudWatch cannot publish to a topic with the key that AWS manages. Alarms have no data of the app.",
    "CKV_AWS_27": "The queue is encrypted with a key of SQS, which this check does not detect.",
    "CKV_AWS_297": _OWN_KEY,
    "CKV2_AWS_33": "A web ACL costs money. `web_acl` declares it.",
}
"""Check of checkov → why it is not followed."""


def accept(construct: IConstruct, rule: str) -> None:
    """Record that the resources of a construct do not follow a rule."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{rule}", reason=REASONS[rule]))


def accept_wildcards(construct: IConstruct, arns: Iterable[str]) -> None:
    """Record that policies of a construct have these resources, which end with wildcards. cdk-nag names each finding by its resource."""
    stack = cdk.Stack.of(construct)
    for arn in arns:
        finding = f"AwsSolutions-{WILDCARD}[Resource::{_readable(stack.resolve(arn))}]"
        Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=REASONS[WILDCARD]))


def _readable(resolved: Any) -> str:
    """Return a value of a template as cdk-nag writes it: references as `<name>`, `<name.Arn>`."""
    match resolved:
        case {"Fn::Join": [str(separator), [*parts]]}:
            return separator.join(map(_readable, parts))
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
    return str(resolved)
