"""Pages for consumers: search, the result of a scanned code, its proof. No login, no cookie."""
