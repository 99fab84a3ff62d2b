"""Video: sources, sampling, the runners in one process and over Kafka, the archive, the simulator."""
