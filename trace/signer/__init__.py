"""Who holds the platform's keys: a process of its own that signs only what it understands (docs/signer.md).

Runs without Flask and SQLAlchemy and imports of ours `trace.ledger`, `trace.errors` and `trace.times` alone. The web
process talks to it through `client` and starts it through `child`; it never imports what reads a private key.
"""
