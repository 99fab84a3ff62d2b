"""Frames read back from the broker as evidence."""
