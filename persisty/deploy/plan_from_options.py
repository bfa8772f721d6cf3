"""Compute the plan of a deployment from its options: load the app, and read the settings of its stage."""

from __future__ import annotations

from ..application import load_app
from ..errors import Fault, InvalidDeclaration
from .deployed_settings import deployed_settings
from .options import Options
from .plan import plan_of
from .resources import Plan


def planned(options: Options) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan of the app that the options name, and warnings about settings of the deploying shell."""
    app = load_app(options.app)
    app.stage = options.stage
    deployed = deployed_settings(app.name, options.stage, options.settings)
    plan = plan_of(
        app,
        options.app,
        options.graphql,
        live=options.live,
        configured=deployed.settings,
        variables=deployed.variables,
        own=options.actions,
    )
    names = [function.name for function in (*plan.functions, *plan.called)] + ["stream"]
    faults = [
        Fault(f"/functions/{name}", "Not a function of the deployment", "one of " + ", ".join(names))
        for name in options.functions
        if name not in names
    ]
    if faults:
        raise InvalidDeclaration("The options of functions do not fit the app", faults=faults)
    return plan, deployed.notes
