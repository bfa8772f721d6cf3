"""AppSync: GraphQL requests that arrive one field at a time."""
