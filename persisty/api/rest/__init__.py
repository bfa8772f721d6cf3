"""REST: from a request to the call of an operation, and from its result to a response."""
