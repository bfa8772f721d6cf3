"""DynamoDB's parts: signing, transports, codec, expressions, planner; the conformance suite holds the backend as a whole."""
