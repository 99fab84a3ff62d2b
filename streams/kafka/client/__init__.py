"""Connections to a Kafka broker: security, topics, access rules, producers and diagnostics."""
