"""The account and region of a deployment, in which its names must be unique.

Tables, the token secret and parameters have names of the app and the stage. Two constructs of one CDK app that deploy the same stage to the same place
would create each name twice, which AWS refuses in the middle of a deployment.
"""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from persisty.deploy.options import Options
from persisty.deploy.resources import Plan
from persisty.errors import Fault, InvalidDeclaration

PLACED = "persisty:app"
"""Metadata of the CDK app: the deployments in it."""
UNKNOWN = "unknown-"
"""Part of the environment of a stack whose account or region is that of the credentials."""


def check_stacks(options: Options, env: cdk.Environment | None, *, alone: bool) -> None:
    """Raise `InvalidDeclaration` for options of stacks if the deployment makes no stacks."""
    given = {"env": env is not None, "termination_protection": options.termination_protection}
    faults = [
        Fault(f"/{name}", "The deployment is a part of a stack of yours, which has this option itself")
        for name, present in given.items()
        if present and not alone
    ]
    if faults:
        raise InvalidDeclaration("The options of the deployment are not valid", faults=faults)


def check_once(construct: Construct, stack: cdk.Stack, plan: Plan) -> None:
    """Raise `InvalidDeclaration` if another construct of the CDK app deploys the same stage to the same account and region.

    A stack without an account and region is deployed to those of the credentials. Stages of the CDK may then be different places.
    """
    root, stage = construct.node.root, cdk.Stage.of(construct)
    place = (
        stack.environment if UNKNOWN not in stack.environment else f"{stage and stage.node.path}:{stack.environment}"
    )
    key = f"{plan.app} {plan.stage} {place}"
    if any(one.type == PLACED and one.data == key for one in root.node.metadata):
        raise InvalidDeclaration(
            f"The stage {plan.stage!r} of {plan.app!r} is deployed twice to the same account and region, so its tables would have the same names",
            faults=[Fault("/stage", "Not the only deployment", "another stage, or another `env`", construct.node.path)],
        )
    root.node.add_metadata(PLACED, key)
