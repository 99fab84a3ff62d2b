"""What is measured, one concern a module: each prints a table, or one object with ``--json``."""
