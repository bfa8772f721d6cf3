"""DynamoDB's parts: signing, transports, codec, expressions, planner; the conformance suite tests the whole backend."""
