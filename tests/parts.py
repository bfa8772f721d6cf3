"""Separate stacks for parts of a deployment plan."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk

from persisty.deploy.options import options_of
from persisty.deploy.resources import Plan
from stacks.api import Api
from stacks.constructs.app_constructs import AppConstructs
from stacks.constructs.functions import FunctionSettings
from stacks.constructs.passed_values import Parameters
from stacks.data import Data


def api_stack(made: cdk.App, plan: Plan, **given: Any) -> cdk.Stack:
    options = options_of({"app": plan.functions[0].environment["PERSISTY_APP"], "target": "local", **given})
    stack = cdk.Stack(made, "Api")
    Api(stack, plan, Parameters(), FunctionSettings(options, AppConstructs()))
    return stack


def data_stack(made: cdk.App, plan: Plan, **given: Any) -> cdk.Stack:
    stack = cdk.Stack(made, "Data")
    Data(stack, plan, options_of({"app": "press:app", **given}), Parameters())
    return stack
