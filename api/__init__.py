"""The control centre's service: event store, evidence, HTTP API and console."""
