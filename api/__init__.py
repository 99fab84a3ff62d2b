"""The service: HTTP API, console, storage of events, and evidence."""
