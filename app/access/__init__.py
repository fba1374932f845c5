"""Who is calling and may they: accounts, sessions, roles. Refuses by default."""
