"""State at the broker: checkpoints, the site's revisions and events to send."""
