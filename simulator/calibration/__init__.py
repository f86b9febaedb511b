"""Fits the behavioural model's settings to a published run or to real ratings
(docs/calibration.md)."""
