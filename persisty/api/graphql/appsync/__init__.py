"""AppSync: it parses GraphQL requests itself and invokes a function for each root field."""
