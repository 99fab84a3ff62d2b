"""Alarms compared with ground truth: the protocols of KISA, i-LIDS and ActEV, and the ROC curve over frames."""
