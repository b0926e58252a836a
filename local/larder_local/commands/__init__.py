"""One module a command of ``larder``; each has a ``command``."""
