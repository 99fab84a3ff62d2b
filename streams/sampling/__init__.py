"""The sampler: from packets to frames, with gates, measurements and crops."""
