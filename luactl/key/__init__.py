"""Keys: the tree, its holders and its books, sealed columns, blind indexes (docs/reference/formats.md)."""
