"""The final fit and the export of the graph that a release serves."""
