"""The model repository's API. In Lambda this folder is the root, and ``app`` stands alone."""
