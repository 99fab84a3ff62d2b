"""From decoded pictures to frames: gates, image quality and crops."""
