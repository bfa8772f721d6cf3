"""A request that is repeated with one `Idempotency-Key` is carried out once, and gets the same response."""
