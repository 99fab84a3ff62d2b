"""Networks that estimate a person's keypoints."""
