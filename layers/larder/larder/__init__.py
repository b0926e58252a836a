"""Larder's serving layer: the code that every function shares.

Import the module that you need (``from larder.store import Store``); this package imports nothing by itself, so a
function's cold start pays only for what it uses.
"""
