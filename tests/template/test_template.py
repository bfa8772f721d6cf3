"""What `cdk synth` writes for the example: wiring against the operations, privileges, retention, protection."""
