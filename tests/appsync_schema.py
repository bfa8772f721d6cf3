"""What AppSync has and a schema of its leaves undeclared, for graphql-core to read one."""

SCALARS = "".join(
    f"\nscalar {name}"
    for name in (
        "AWSDate", "AWSDateTime", "AWSJSON", "AWSTime", "AWSTimestamp", "AWSEmail", "AWSURL", "AWSPhone", "AWSIPAddress",
    )
)  # fmt: skip
MARKS = ("aws_api_key", "aws_lambda", "aws_oidc", "aws_cognito_user_pools", "aws_iam")
DIRECTIVES = "".join(f"\ndirective @{name} on OBJECT | FIELD_DEFINITION" for name in MARKS)
DIRECTIVES += "\ndirective @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION"
DECLARED = SCALARS + DIRECTIVES
