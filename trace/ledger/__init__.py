"""Bytes that must not drift: envelope, disclosure, leaf, tree, checkpoint, proof, and their verification. No SQL."""
