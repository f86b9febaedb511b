"""Fixtures for every room, and how Hypothesis and threads are to behave everywhere."""

import os

from hypothesis import HealthCheck, settings

from .postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

# Nothing in the tests is timed: a busy machine must not make one fail.
settings.register_profile("audition", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("audition")

# Training uses one thread (ARCHITECTURE.md); more of them on small arrays wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
