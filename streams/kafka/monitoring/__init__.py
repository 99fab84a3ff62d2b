"""The state of stages, consumer groups and topics, for `lanewatch status`."""
