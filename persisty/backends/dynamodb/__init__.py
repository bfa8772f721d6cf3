"""Items in DynamoDB tables, over a narrow transport of which there are two."""
