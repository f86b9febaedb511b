"""The losses graph models are made of; sums and means are said at each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ROWS = 256
"""Rows of a block in :func:`log_sum_exp`: bounds memory to ROWS x n logits."""


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean softplus(x_uj - x_ui) over the batch; each argument is (B, d)."""
    return torch.nn.functional.softplus(-(users * (positives - negatives)).sum(1)).mean()


def unit(vectors: Tensor) -> Tensor:
    """(n, d) -> (n, d): x / sqrt(1e-8 + |x|^2)."""
    return vectors * torch.rsqrt(1e-8 + vectors.square().sum(1, keepdim=True))


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, others: Tensor, weight: Tensor) -> Tensor:
        to_rows, to_others = torch.empty_like(rows), torch.zeros_like(others)
        total = rows.new_zeros(())
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            logits = rows[part] @ others.t()
            top = logits.amax(1, keepdim=True)
            sums = logits.sub_(top).exp_().sum(1, keepdim=True)
            total += ((sums.log() + top).squeeze(1) * weight[part]).sum()
            share = logits.mul_(weight[part].unsqueeze(1) / sums)
            torch.mm(share, others, out=to_rows[part])
            to_others.addmm_(share.t(), rows[part])
        ctx.save_for_backward(to_rows, to_others)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        to_rows, to_others = ctx.saved_tensors
        return to_rows * gradient, to_others * gradient, None


def log_sum_exp(rows: Tensor, others: Tensor, weight: Tensor) -> Tensor:
    """Sum over b of weight_b log sum_j exp(rows_b . others_j); rows (B, d), others (n, d).

    The gradient is taken in the same pass over the (B, n) logits, of which only a block
    is held at a time. ``weight`` (B,) gets none.
    """
    apply: Any = _LogSumExp.apply
    out: Tensor = apply(rows, others, weight)
    return out


def info_nce(
    first: Tensor, second: Tensor, others: Tensor, temperature: float, weight: Tensor
) -> Tensor:
    """Sum over b of weight_b (-cos(x_b, y_b) / t + log sum_j exp(cos(x_b, others_j) / t)).

    ``first`` x and ``second`` y are (B, d), ``others`` (n, d), in which y itself should
    stand, ``weight`` (B,). Summed: the caller divides.
    """
    rows, matches = unit(first) / temperature, unit(second)
    alike = ((rows * matches).sum(1) * weight).sum()
    return log_sum_exp(rows, unit(others), weight) - alike


def view_contrast(first: Tensor, second: Tensor, index: Tensor, temperature: float) -> Tensor:
    """InfoNCE of two views (n, d) of all nodes, summed over the nodes of ``index`` (B,).

    All rows of ``second`` stand in the denominator. A node that occurs c times is computed
    once and counts c times.
    """
    nodes, counts = torch.unique(index, return_counts=True)
    matches = second.index_select(0, nodes)
    weight = counts.to(first.dtype)
    return info_nce(first.index_select(0, nodes), matches, second, temperature, weight)
