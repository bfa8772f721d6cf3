"""What `store.explain` tells of a DynamoDB query: its plan in words, what it costs, the index that would make it cheap."""
