"""The tracker: from boxes to tracks."""
