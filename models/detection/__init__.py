"""Networks that detect objects in pictures."""
