"""Fixtures for every room, and how Hypothesis is to behave everywhere."""

from hypothesis import HealthCheck, settings

from .postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

# Nothing in the tests is timed: a busy machine must not make one fail.
settings.register_profile("audition", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("audition")
