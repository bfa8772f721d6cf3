"""CDK stacks: each row of the plan becomes a construct. `persisty.deploy.plan` decides what is deployed."""
