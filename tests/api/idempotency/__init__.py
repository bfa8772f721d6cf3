"""A request that is repeated with the same `Idempotency-Key` is executed once and gets the same response."""
