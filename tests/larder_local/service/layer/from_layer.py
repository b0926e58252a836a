"""A module that only a layer provides."""

GREETING = "from the layer"
