"""Sparse matrices over the graph's nodes, with gradients to their values and to what they meet.

torch's own sparse products give no gradient to values in CSR, and would rebuild the
transpose in every step; here its order is known once for a pattern.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


class Pattern:
    """Where an (N, N) matrix may be non-zero: E entries in CSR order, a symmetric set.

    ``heads`` and ``tails`` (E,) int64 are row and column numbers, sorted by row, then
    column. ``back`` (E,) brings values into the order of the transposed matrix.
    """

    def __init__(self, heads: Tensor, tails: Tensor, n: int) -> None:
        self.heads, self.tails, self.n = heads, tails, n
        counts = torch.bincount(heads, minlength=n)
        self._starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
        self._columns = tails.to(torch.int32)

    @classmethod
    def of(cls, matrix: sp.csr_array, device: torch.device) -> Pattern:
        """The stored entries of a matrix with sorted indices and a symmetric pattern."""
        n = matrix.shape[0]
        heads = np.repeat(np.arange(n, dtype=np.int64), np.diff(matrix.indptr))
        tails = matrix.indices.astype(np.int64)
        return cls(torch.from_numpy(heads).to(device), torch.from_numpy(tails).to(device), n)

    def __len__(self) -> int:
        return len(self.heads)

    @cached_property
    def back(self) -> Tensor:
        """(E,) int64: entry k of the transpose is entry ``back[k]`` of the matrix."""
        return torch.argsort(self.tails * self.n + self.heads)

    def csr(self, values: Tensor) -> Tensor:
        """The torch CSR matrix with these values (E,)."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Ss]parse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                self._starts,
                self._columns,
                values,
                size=(self.n, self.n),
                check_invariants=False,
            )

    def product(self, values: Tensor, dense: Tensor) -> Tensor:
        """(N, d): the matrix with these values times ``dense`` (N, d); no gradient."""
        return self.csr(values) @ dense

    def dots(self, left: Tensor, right: Tensor) -> Tensor:
        """(E,): left[head] . right[tail] of (N, d) for each entry; no gradient."""
        zeros = self.csr(left.new_zeros(len(self)))
        found: Tensor = torch.sparse.sampled_addmm(zeros, left, right.t(), beta=0.0)
        return found.values()


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dense: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(values, dense)
        ctx.pattern = pattern
        return pattern.product(values, dense)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (gradient,) = gradients
        values, dense = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        gradient = gradient.contiguous()
        of_values, of_dense = ctx.needs_input_grad[:2]
        return (
            pattern.dots(gradient, dense) if of_values else None,
            pattern.product(values[pattern.back], gradient) if of_dense else None,
            None,
        )


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.pattern = pattern
        return pattern.dots(left, right)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        left, right = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        to_left = pattern.product(gradient, right)
        return to_left, pattern.product(gradient[pattern.back], left), None


def edge_dots(left: Tensor, right: Tensor, pattern: Pattern) -> Tensor:
    """(E,): left[head] . right[tail] of (N, d) tensors, with gradients to both."""
    apply: Any = _Dots.apply
    out: Tensor = apply(left.contiguous(), right.contiguous(), pattern)
    return out


class Graph:
    """A weighted graph: a pattern and its values (E,), which may carry a gradient."""

    def __init__(self, pattern: Pattern, values: Tensor) -> None:
        self.pattern, self.values = pattern, values

    def hop(self, dense: Tensor) -> Tensor:
        """(N, d) -> (N, d): each node's weighted sum over its neighbours."""
        apply: Any = _Product.apply
        out: Tensor = apply(self.values, dense.contiguous(), self.pattern)
        return out

    def dropped(self, keep: float, generator: torch.Generator) -> Graph:
        """Each directed edge kept with probability ``keep``, its value as it was."""
        chance = torch.rand(len(self.pattern), generator=generator, device=self.values.device)
        return Graph(self.pattern, self.values * (chance < keep))

    def row_normalised(self) -> Graph:
        """The same, each non-empty row divided by its sum (positive values are expected)."""
        heads = self.pattern.heads
        totals = self.values.new_zeros(self.pattern.n).index_add(0, heads, self.values)
        return Graph(self.pattern, self.values / totals.clamp_min(1e-8).index_select(0, heads))
