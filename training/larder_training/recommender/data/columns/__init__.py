"""Types of metadata columns: inferred from the cells or stated, and described for people."""
