"""Where bytes come from: links, stations, the outbox and the uplink. Runs without Flask and without SQLAlchemy."""
