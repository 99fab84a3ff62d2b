"""The console: a page, its style and its scripts, served as they are. No build step, nothing from elsewhere."""
