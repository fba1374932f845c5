"""What a code identifies: one key or carrier of one standard a file. Parse once into a valid frozen value, or raise."""
