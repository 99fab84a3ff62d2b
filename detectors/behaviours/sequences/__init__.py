"""Sequences of conditions, such as produce theft, and the rules that a site declares."""
