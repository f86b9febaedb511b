"""The user-item graph: its normalised adjacency, and propagation over it."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch

from .interface import Interactions


def normalised_adjacency(train: Interactions, *, self_loops: bool = False) -> sp.csr_array:
    """D^-1/2 A D^-1/2 of the bipartite graph, float32 CSR; users first, then items.

    Training pairs only. With ``self_loops`` A + I stands for A; without, a node that has no
    edges keeps an empty row. The largest eigenvalue is 1, with eigenvector sqrt(degree)
    (He et al. 2020, LightGCN, equation 8).
    """
    matrix = train.matrix
    own = 1.0 if self_loops else 0.0
    user_degree = own + np.diff(matrix.indptr).astype(np.float64)
    item_degree = own + np.bincount(matrix.indices, minlength=train.n_items).astype(np.float64)
    rows = np.repeat(np.arange(train.n_users), np.diff(matrix.indptr))
    weight = 1.0 / np.sqrt(user_degree[rows] * item_degree[matrix.indices])
    half = sp.csr_array((weight.astype(np.float32), matrix.indices, matrix.indptr), matrix.shape)
    out = sp.csr_array(sp.block_array([[None, half], [half.T, None]], format="csr"))
    if self_loops:
        degree = np.concatenate([user_degree, item_degree])
        out = sp.csr_array(out + sp.diags_array((1.0 / degree).astype(np.float32), format="csr"))
    out.sort_indices()
    return out


class Propagation:
    """E -> mean(E, ÂE, ..., Â^L E): what LightGCN does instead of a network.

    The map is linear and symmetric, so its gradient is the map itself: the same call takes
    the gradient with respect to the output to that with respect to the input.
    """

    def __init__(self, adjacency: sp.csr_array, layers: int, device: torch.device) -> None:
        self.layers = layers
        self._adjacency = _torch_csr(adjacency, device)

    def __call__(self, dense: torch.Tensor) -> torch.Tensor:
        """(N, d) -> (N, d); the input is not changed."""
        if self.layers == 0:
            return dense
        out = dense
        for _ in range(self.layers):  # Horner: E + Â(E + Â(E + ...))
            out = torch.addmm(dense, self._adjacency, out)
        return out.div_(self.layers + 1)


def _torch_csr(matrix: sp.csr_array, device: torch.device) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]parse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            device=device,
            check_invariants=True,
        )
