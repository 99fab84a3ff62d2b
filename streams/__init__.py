"""From cameras to detections on Kafka: sources, sampling, runners, archive, and the simulator."""
