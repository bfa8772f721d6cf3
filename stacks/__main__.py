"""The CDK app of a project without its own: `python -m persisty_cdk`. The options are the context of `cdk.json` and of the command line."""

import sys

import aws_cdk as cdk

from persisty.errors import PersistyError

from . import PersistyApp

if __name__ == "__main__":
    cdk_app = cdk.App()
    try:
        PersistyApp.of_context(cdk_app)
    except PersistyError as error:
        sys.exit(str(error))
    cdk_app.synth()
