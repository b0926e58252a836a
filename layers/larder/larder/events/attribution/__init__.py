"""What recommendations earned: counts by release, source, position and filter, of the log's compacted days."""
