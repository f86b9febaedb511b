"""Profiles of items and users, and their vectors, for the recommenders that read them."""
