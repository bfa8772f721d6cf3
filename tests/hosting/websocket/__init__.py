"""GraphQL over a WebSocket, at a real port, with a client that shares no code with persisty."""
