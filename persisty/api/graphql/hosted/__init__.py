"""GraphQL over HTTP and WebSocket, for requests that arrive whole."""
