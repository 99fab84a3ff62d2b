"""Connections to a Kafka broker: security, topics, producers and diagnostics."""
