"""The public face: what anyone sees of a code without signing in."""
