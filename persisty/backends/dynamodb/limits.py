"""DynamoDB's limits, checked before anything is sent: the size of an item, of a transaction, and of the values of keys.

Source: "Item sizes and formats" and "Service, account, and table quotas" in the DynamoDB Developer Guide.
"""
