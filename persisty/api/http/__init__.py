"""HTTP for every surface: messages, negotiation, caching, preconditions, problems. These modules depend on no host and on no store."""
