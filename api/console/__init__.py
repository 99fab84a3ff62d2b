"""The console: a static page with its style and scripts. No build step, no external resources."""
