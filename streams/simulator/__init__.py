"""Simulated rural lanes: nights with thefts and without, as records of a detect worker, with their truth.

Nobody publishes footage of produce being stolen, of vehicles that load at night, of rural lanes. These are made up:
whatever rests on them has to say so (``SimulatedNight.label``). The behaviours' own constants are neither known nor used here.
"""
