"""The parts of ``benchmarks.behaviours``, each for one kind of act or one set of footage."""
