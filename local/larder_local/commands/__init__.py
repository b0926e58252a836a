"""The commands of ``larder``: one module per command, each with the attribute ``command``."""
