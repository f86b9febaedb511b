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
    def forward(
        ctx: Any, rows: Tensor, others: Tensor, weight: Tensor, times: Tensor | None
    ) -> Tensor:
        to_rows = torch.empty_like(rows)
        to_others = torch.zeros_like(others) if others.requires_grad else None
        more = None if times is None else times.log()
        total = rows.new_zeros(())
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            logits = rows[part] @ others.t()
            if more is not None:
                logits += more
            top = logits.amax(1, keepdim=True)
            sums = logits.sub_(top).exp_().sum(1, keepdim=True)
            total += ((sums.log() + top).squeeze(1) * weight[part]).sum()
            share = logits.mul_(weight[part].unsqueeze(1) / sums)
            torch.mm(share, others, out=to_rows[part])
            if to_others is not None:
                to_others.addmm_(share.t(), rows[part])
        ctx.save_for_backward(to_rows, to_others)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        (gradient,) = gradients
        to_rows, to_others = ctx.saved_tensors
        of_others = None if to_others is None else to_others * gradient
        return to_rows * gradient, of_others, None, None


def log_sum_exp(
    rows: Tensor, others: Tensor, weight: Tensor, times: Tensor | None = None
) -> Tensor:
    """Sum over b of weight_b log sum_j times_j exp(rows_b . others_j).

    ``rows`` (B, d), ``others`` (n, d), ``weight`` (B,); ``times`` (n,) above 0, by default 1:
    how often each of the others stands there. The gradient is taken in the same pass over
    the (B, n) logits, of which only a block is held at a time; ``others`` that carry none
    cost none, and ``weight`` and ``times`` get none.
    """
    apply: Any = _LogSumExp.apply
    out: Tensor = apply(rows, others, weight, times)
    return out


def info_nce(
    first: Tensor,
    second: Tensor,
    others: Tensor,
    temperature: float,
    weight: Tensor,
    times: Tensor | None = None,
) -> Tensor:
    """Sum over b of weight_b (-cos(x_b, y_b) / t + log sum_j times_j exp(cos(x_b, others_j) / t)).

    ``first`` x and ``second`` y are (B, d), ``others`` (n, d), in which y itself should
    stand, ``weight`` (B,), ``times`` (n,), by default 1. Summed: the caller divides.
    """
    rows, matches = unit(first) / temperature, unit(second)
    alike = ((rows * matches).sum(1) * weight).sum()
    return log_sum_exp(rows, unit(others), weight, times) - alike


def view_contrast(first: Tensor, second: Tensor, index: Tensor, temperature: float) -> Tensor:
    """InfoNCE of two views (n, d) of all nodes, summed over the nodes of ``index`` (B,).

    All rows of ``second`` stand in the denominator. A node that occurs c times is computed
    once and counts c times.
    """
    nodes, counts = torch.unique(index, return_counts=True)
    matches = second.index_select(0, nodes)
    weight = counts.to(first.dtype)
    return info_nce(first.index_select(0, nodes), matches, second, temperature, weight)
