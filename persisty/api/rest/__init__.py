"""REST: routes, and how a request becomes a call of an operation."""
