"""What AutoCF hides from itself: scores of nodes, the graph without the hidden, the decoder's."""

from __future__ import annotations

import torch
from torch import Tensor

from .sparse import Graph, Pattern


def node_scores(table: Tensor, pattern: Pattern, generator: torch.Generator) -> Tensor:
    """(N,): log sigmoid of the cosine of a node and its neighbours within two hops, plus noise.

    The noise is standard Gumbel. ``table`` is E (N, d), A all ones on ``pattern`` and o its
    row sums: f = AE - E and s = (Af - f) - oE, of o + ((Ao - o) - o) vectors in all.
    """
    edges = Graph(pattern, torch.ones(len(pattern), device=table.device))
    degree = edges.hop(table.new_ones(len(table), 1))
    first = edges.hop(table) - table
    second = (edges.hop(first) - first) - degree * table
    count = degree + (edges.hop(degree) - degree) - degree
    normalise = torch.nn.functional.normalize
    around = normalise((first + second) / (count + 1e-8), dim=1)
    cosine = (around * normalise(table, dim=1)).sum(1)
    drawn = torch.rand(len(table), generator=generator, device=table.device)
    tiny = torch.finfo(drawn.dtype).tiny
    gumbel = -torch.log(-torch.log(drawn.clamp_min(tiny)))
    return torch.nn.functional.logsigmoid(cosine) + gumbel


def hidden(pattern: Pattern, seeds: Tensor) -> tuple[Graph, Tensor]:
    """The graph without the seeds' edges and without those of their neighbours, normalised anew.

    Also the nodes (n,) that this concerns: the seeds and the ends of their edges.
    """
    chosen = torch.zeros(pattern.n, dtype=torch.bool, device=seeds.device)
    chosen[seeds] = True
    cut = chosen[pattern.heads] | chosen[pattern.tails]
    touched = chosen.clone()
    touched[pattern.heads[cut]] = True  # the pattern is symmetric: heads are both ends
    left = ~(touched[pattern.heads] | touched[pattern.tails])
    rest = Pattern(pattern.heads[left], pattern.tails[left], pattern.n)
    root = torch.rsqrt(torch.bincount(rest.heads, minlength=rest.n).float() + 1e-12)
    values = root[rest.heads] * root[rest.tails]
    return Graph(rest, values), torch.nonzero(touched).squeeze(1)


def decoder_pattern(
    rest: Pattern, touched: Tensor, *, pairs: int, extra: int, generator: torch.Generator
) -> Pattern:
    """What is left, every node's loop, and ``pairs`` random pairs, both ways, without repeats.

    The pairs are of the ``touched`` nodes and ``extra`` draws from all.
    """
    n, device = rest.n, touched.device
    drawn = torch.randint(n, (extra,), generator=generator, device=device)
    pool = torch.unique(torch.cat([touched, drawn]))
    left, right = pool[torch.randint(len(pool), (2, pairs), generator=generator, device=device)]
    loops = torch.arange(n, device=device)
    heads = torch.cat([left, right, loops, rest.heads])
    tails = torch.cat([right, left, loops, rest.tails])
    keys = torch.unique(heads * n + tails)
    return Pattern(keys // n, keys % n, n)
