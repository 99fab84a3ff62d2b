"""Runs a broker and all stages on one machine, for demos, tests and benchmarks; not part of the installed packages."""
