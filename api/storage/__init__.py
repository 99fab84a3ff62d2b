"""The event store: tables, queries and the data directory."""
