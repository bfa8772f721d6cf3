"""What can be asked: filters and orders resolved against an item, evaluated locally, parsed, and resumed by cursors."""
