"""What runs Lanewatch and its broker on one machine; the shipped packages know nothing of it."""
