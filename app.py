"""The CDK app: the app that the context of `cdk.json` names, as separate stacks.

`cdk deploy -c app=module:attribute -c stage=dev -c target=arm64-3.13|local -c graphql=both|http|appsync|none -c live=on|off`.
"""

import aws_cdk as cdk

from stacks import PersistyApp

cdk_app = cdk.App()
PersistyApp.of_context(cdk_app)
cdk_app.synth()
