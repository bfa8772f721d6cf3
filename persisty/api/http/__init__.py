"""HTTP for every surface: messages, negotiation, caching, preconditions, problems. No host and no store is known here."""
