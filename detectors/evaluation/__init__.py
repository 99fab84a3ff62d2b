"""How well alarms meet the truth: the protocols of KISA, i-LIDS and ActEV, and the area under a frame's ROC curve."""
