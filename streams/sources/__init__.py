"""Video sources: network cameras, recordings and folders of images."""
