"""Access paths: the table and its indexes, and which key conditions of one a filter gives."""
