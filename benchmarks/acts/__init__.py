"""The parts of ``benchmarks.behaviours``: each measures one kind of act on the footage that shows it."""
