"""Which sampler owns which camera, and how a camera is handed over."""
