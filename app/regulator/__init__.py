"""Pages for regulators."""
