"""What the behaviours know of a site file: validation, JSON schema and summary."""
