"""Benchmarks, one concern a module; each prints a table, or one JSON object with ``--json``."""
