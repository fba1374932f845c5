"""All SQL: rows and queries. Functions take a session first and never commit; the sequencer owns the append."""
