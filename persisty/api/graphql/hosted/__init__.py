"""The hosted GraphQL endpoint, over HTTP and WebSocket. graphql-core parses and validates complete documents here."""
