"""Sequences of conditions, such as produce theft, and those that a site file declares."""
