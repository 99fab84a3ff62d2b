"""Where video comes from: cameras, recordings and folders of pictures."""
