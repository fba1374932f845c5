"""How readers speak: sans-I/O decoders that turn bytes into scans and tag reads. Imports nothing of ours."""
