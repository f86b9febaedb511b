"""Recommenders behind one contract, and the registry that names them.

This package imports nothing of ours: agents and recommenders never meet, only the
simulator introduces them.
"""
