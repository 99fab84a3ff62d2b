"""State that several behaviours share."""
