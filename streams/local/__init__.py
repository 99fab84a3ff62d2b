"""The runner that joins all stages in one process."""
