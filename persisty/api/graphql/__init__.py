"""GraphQL over the operations: the schema text, one translation of calls, the hosted endpoint and the AppSync side."""
