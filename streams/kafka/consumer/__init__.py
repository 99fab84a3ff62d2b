"""Parts of every consumer: offsets, retries, metrics and table reading."""
