"""State that is kept on the broker or on disk: checkpoints, site revisions and unsent events."""
