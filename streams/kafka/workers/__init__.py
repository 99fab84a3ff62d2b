"""The stages as worker processes over Kafka."""
