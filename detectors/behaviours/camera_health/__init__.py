"""Camera health: what is wrong with a camera itself."""
