"""The state of stages, groups and topics, for people."""
