"""A function of a deployment that executes actions for a trigger: of changes (`after_functions`) or of time (`timer_functions`), as a row of a plan.

No API invokes it, so it has no token secret. It may also execute every action with a before trigger, because the actions write. So it has the variables, secrets
and statements of all these actions, and grants for the stores that they use.
"""

from __future__ import annotations

from collections.abc import Iterable

from .action_functions import called_before_writes, variables_used, verbs_used
from .deployed_settings import variables_of
from .functions import Common
from .grants import grants_of
from .layers import layers_of
from .options import FunctionOptions
from .resources import HANDLERS, Function

MAX_TIMEOUT = 900
"""Seconds: the maximum of Lambda."""


def triggered_function(
    common: Common, kind: str, name: str, description: str, actions: Iterable[str], size: FunctionOptions
) -> Function:
    """Return the function. `kind`: its key in the tables of functions, which is also the name of its handler's module. `actions`: those of its trigger."""
    app = common.app
    executed = tuple(dict.fromkeys((*actions, *called_before_writes(app))))
    own = [common.own[one] for one in executed if one in common.own]
    return Function(
        name=name,
        handler=f"{HANDLERS}.{kind}.handler",
        description=description,
        environment={
            **common.variables,
            **variables_used(executed, common.own),
            "PERSISTY_APP": common.spec,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": app.stage,
            **variables_of(kind, common.configured),
        },
        grants=grants_of(app, verbs_used(app, executed, common.own)),
        layers=layers_of(kind, tokens=False, actions=True, eager=common.eager),
        secrets=tuple(dict.fromkeys(arn for one in own for arn in one.secrets.values())),
        statements=tuple(statement for one in own for statement in one.statements),
        size=size,
    )
