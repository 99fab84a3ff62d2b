"""Neural networks and tracking: object detection, pose estimation, and appearance."""
