"""Models that no command trains; benchmarks compare them with the product."""
