"""The examples in docstrings are true."""

import doctest
import importlib

import pytest

NAMES = [
    *("components", "covariates", "intervals", "measure", "missing", "multiplicity", "offline"),
    *("paired", "power", "ratio", "sequential", "simulated", "slices", "verdicts"),
]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"simulator.evaluation.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
