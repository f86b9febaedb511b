"""Recommenders that read profiles: vectors of what was written of items and users."""
