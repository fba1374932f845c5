"""All SQL: rows and queries. Functions take a session or connection first and never commit; the sequencer owns the append."""
