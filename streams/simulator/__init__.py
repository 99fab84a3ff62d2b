"""Simulated nights at rural lanes, with thefts and without: detection records and their ground truth.

No public footage shows theft of produce at night. These nights are made up, so each figure from them must say so
(``SimulatedNight.label``). The behaviours' own constants are not used here.
"""
