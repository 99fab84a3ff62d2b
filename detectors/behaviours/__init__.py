"""The behaviours that Lanewatch watches for, one module or package each."""
