"""State, candidates and explanations that several behaviours share."""
