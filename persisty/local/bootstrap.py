"""The stack `CDKToolkit` of the emulated account: the bucket for code, and the version that the CDK CLI checks before it deploys.

`cdk bootstrap` also makes keys, a repository of images and roles. The emulator verifies no permissions, so they have no use here, and
without them an account is ready in a second of the 6 that the command takes.

Source: the template that `cdk bootstrap --show-template` prints.
"""

from __future__ import annotations

import json

from .emulator import ACCOUNT, REGION, Emulator

STACK = "CDKToolkit"
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
VERSION_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
VERSION = "33"
"""The version of the template that this one replaces."""
TEMPLATE = {
    "Resources": {
        "StagingBucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}},
        "CdkBootstrapVersion": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": VERSION_PARAMETER, "Value": VERSION},
        },
    },
    "Outputs": {
        "BucketName": {"Value": BUCKET},
        "BucketDomainName": {"Value": {"Fn::GetAtt": ["StagingBucket", "RegionalDomainName"]}},
        "BootstrapVersion": {"Value": VERSION},
    },
}


def bootstrap(aws: Emulator) -> None:
    """Prepare the account for deployments, once."""
    if any(one["Name"] == BUCKET for one in aws.client("s3").list_buckets()["Buckets"]):
        return
    cloud = aws.client("cloudformation")
    cloud.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
    cloud.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
