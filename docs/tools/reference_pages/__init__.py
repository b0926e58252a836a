"""The generators of the pages of docs/reference: one module per page, and their Markdown."""
