"""Larder on the developer's machine: the ``larder`` command and the local gateway behind ``larder up``."""
