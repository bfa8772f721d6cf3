"""CDK stacks: each row of the plan becomes a construct. What is deployed is decided in `persisty.deploy.plan`."""
