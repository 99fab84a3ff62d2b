"""What every consumer of a topic needs: offsets, retries and metrics."""
