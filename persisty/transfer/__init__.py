"""Import: read rows of a file one at a time, convert them to the types of an item, write them to a store in batches."""
