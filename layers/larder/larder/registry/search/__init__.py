"""Releases by what they are: their time, state, parent, quality and how they were trained; in pages."""
