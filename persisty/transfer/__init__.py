"""Rows of files on their way into stores: read one at a time, given the types of an item, written in batches."""
