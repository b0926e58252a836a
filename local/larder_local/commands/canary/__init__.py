"""``larder canary``: the release that answers a share of the callers."""
