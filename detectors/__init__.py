"""From detections to events: observation, behaviours, correlation, evaluation, and site validation."""
