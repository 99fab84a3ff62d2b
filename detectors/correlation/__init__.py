"""Correlations: events of several cameras or nights that belong together."""
