"""The simulated audience: profile, memory and action modules, and response models.

This package imports nothing of ours: agents and recommenders never meet, only the
simulator introduces them.
"""
