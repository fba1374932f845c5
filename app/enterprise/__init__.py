"""Pages for enterprises at the handheld."""
