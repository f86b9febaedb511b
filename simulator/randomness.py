"""Random streams keyed by identity.

Two kinds. :func:`stream` gives a numpy generator for work that happens once (training,
sampling the population). :class:`KeyedLuck` gives draws inside the simulation: each is a
pure function of (seed, purpose, keys), so it depends neither on the arm, nor on the order
of agents, nor on how many of them still browse; every arm meets the same luck and
differences between arms are paired.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(n) for n in (30, 27, 31, 11))


def _number(*keys: object) -> int:
    """A 64-bit number for a tuple of keys, the same in every process and version."""
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """An independent generator for this identity."""
    return np.random.default_rng(np.random.SeedSequence([seed & 0xFFFFFFFF, _number(*keys)]))


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31)


class KeyedLuck:
    """Counter-based uniform draws; implements ``agents.interface.Luck``.

    ``luck`` and ``of_arm`` say which draw of chance it is, the seed being the same: the
    scenario's and the arm's. Every other pair of them gives other, independent draws.
    """

    def __init__(self, seed: int, luck: int = 0, of_arm: int = 0) -> None:
        self.seed, self.luck, self.of_arm = seed, luck, of_arm

    @property
    def draw(self) -> str:
        """Which draw this is; "" for the first one, (0, 0)."""
        return f"{self.luck}.{self.of_arm}" if self.luck or self.of_arm else ""

    def varied(self, of_arm: int) -> KeyedLuck:
        """What an arm meets that asks for a draw of its own; 0 is what all others meet."""
        return KeyedLuck(self.seed, self.luck, of_arm)

    def uniform(self, purpose: str, *keys: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Draws in (0, 1), one for each element of the broadcast integer ``keys``.

        >>> KeyedLuck(7).uniform("watch", [3, 4], 1).round(6).tolist() == [
        ...     float(KeyedLuck(7).uniform("watch", agent, 1).round(6)) for agent in (3, 4)]
        True
        """
        state = np.uint64(_number(self.seed, purpose, *([self.draw] if self.draw else [])))
        with np.errstate(over="ignore"):
            mixed = _mix(np.asarray(state + _GOLDEN, dtype=np.uint64))
            for key in keys:
                part = np.asarray(key, dtype=np.int64).astype(np.uint64)
                mixed = _mix(mixed + (part + np.uint64(1)) * _GOLDEN)
        # 53 bits, shifted by half a step so that neither 0 nor 1 can come out.
        out: npt.NDArray[np.float64] = ((mixed >> _S11).astype(np.float64) + 0.5) * 2.0**-53
        return out
