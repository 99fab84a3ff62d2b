"""Evidence: snapshots and clips of events, cut from the cameras' recent video."""
