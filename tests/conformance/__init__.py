"""What holds on every engine, asserted through the public `Store` and `App` only."""
