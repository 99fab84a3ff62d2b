"""Chaos tests of the Kafka workers: killed processes, stopped brokers, faulty cameras. `make chaos`."""
