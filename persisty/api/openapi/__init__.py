"""The OpenAPI 3.1 document of an app, one module for each part of it."""
