"""The device side of reader protocols: pure roles, and the pseudo-terminal that gives one a port."""
