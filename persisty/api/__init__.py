"""The surfaces: operations, and REST, OpenAPI, GraphQL and servey derived from them."""
